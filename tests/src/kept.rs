//! What nodes keep, seen from beside them, whatever stores it is on.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use metastamp_chaos::servers::env_of;
use metastamp_store::Stores;
use metastamp_store::archive::RecordsDigest;
use metastamp_store::documents::embedded::EmbeddedDocuments;
use metastamp_store::documents::mongo::MongoDocuments;
use metastamp_store::identity::IDENTITY_KEY;
use metastamp_store::objects::{LocalS3, Objects, ObjectsConfig};
use metastamp_store::records::Collection;
use metastamp_store::settings::MongoSettings;
use sha2::{Digest, Sha256};

const BUCKET: &str = "metastamp-assets";
const WITHIN: Duration = Duration::from_secs(10);

/// Count and digest of every collection, and the digest of every object.
pub type Everything = (BTreeMap<Collection, (u64, String)>, BTreeMap<String, String>);

/// The stores of some nodes.
pub struct Kept {
    pub stores: Stores,
    objects: Objects,
    _service: Option<LocalS3>,
}

impl Kept {
    /// Those of the nodes on this data directory.
    pub async fn of(data: &Path) -> Self {
        Self::named(&env_of(data).unwrap(), data).await
    }

    /// Those that these variables name; embedded in `data` without any.
    pub async fn named(env: &[(String, String)], data: &Path) -> Self {
        let get = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let stores: Stores = match get("MONGODB_URL") {
            None => Stores::of(EmbeddedDocuments::open(data).unwrap()),
            Some(url) => Stores::of(mongo(url, get("MONGODB_DATABASE").unwrap()).await),
        };
        let service = match get("S3_ENDPOINT_URL") {
            None => Some(LocalS3::start(&data.join("objects")).await.unwrap()),
            Some(_) => None,
        };
        let local =
            service.as_ref().map(|s| (s.endpoint().to_owned(), s.access_key().to_owned(), s.secret_key().to_owned()));
        let (endpoint, access_key, secret_key) = local.unwrap_or_else(|| {
            (get("S3_ENDPOINT_URL").unwrap(), get("S3_ACCESS_KEY").unwrap(), get("S3_SECRET_KEY").unwrap())
        });
        let objects = Objects::new(ObjectsConfig {
            endpoint: Some(endpoint),
            public_endpoint: None,
            region: "us-east-1".to_owned(),
            access_key,
            secret_key,
            bucket: get("S3_BUCKET_NAME").unwrap_or_else(|| BUCKET.to_owned()),
            op_timeout: WITHIN,
        });
        Self { stores, objects, _service: service }
    }

    pub async fn everything(&self) -> Everything {
        let mut snapshot = self.stores.records.snapshot().await.unwrap();
        let mut records = BTreeMap::new();
        for collection in Collection::ALL {
            let mut digest = RecordsDigest::default();
            for record in snapshot.page(collection, None, 100_000).await.unwrap() {
                assert!(digest.add(collection, &record).unwrap(), "{record}");
            }
            records.insert(collection, (digest.count(), digest.hex()));
        }
        let mut objects = BTreeMap::new();
        let listed = self.objects.list("", None, 1_000).await.unwrap().objects;
        // who a bucket is, is its own
        for object in listed.into_iter().filter(|object| object.key != IDENTITY_KEY) {
            let bytes = self.objects.get_range(&object.key, 0..object.size).await.unwrap();
            objects.insert(object.key, hex::encode(Sha256::digest(&bytes)));
        }
        (records, objects)
    }
}

async fn mongo(url: String, database: String) -> MongoDocuments {
    let (password, replica_set, pool_min, pool_max) = (None, None, 0, 10);
    let settings = MongoSettings { url, database, password, replica_set, pool_min, pool_max, call_within: WITHIN };
    MongoDocuments::connect(settings).await.unwrap()
}
