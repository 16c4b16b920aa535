// Makes a replica set of the one server that is there, unless it is a member of one already, and waits until it is
// the primary.
const { MONGO_INITDB_ROOT_USERNAME: user, MONGO_INITDB_ROOT_PASSWORD: password, MONGODB_REPLICA_SET: set } = process.env;
const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
const admin = connect(`mongodb://${credentials}@mongodb:27017/admin?directConnection=true`);

try {
  admin.adminCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  admin.adminCommand({ replSetInitiate: { _id: set, members: [{ _id: 0, host: "mongodb:27017" }] } });
}
for (let i = 0; !admin.hello().isWritablePrimary; i++) {
  if (i === 120) throw new Error("no primary after 60 s");
  sleep(500);
}
print(`replica set ${admin.hello().setName} has a primary`);
