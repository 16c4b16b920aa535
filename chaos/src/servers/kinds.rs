//! The three servers: how each is started and what a node must be told of it.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use rustix::process::Signal;

use super::process::{Recipe, ServerProcess};
use super::{CACHE_DATABASES, ready};
use crate::ports;

/// Credentials of every object server of the harness.
pub const ACCESS_KEY: &str = "test-access-key";
pub const SECRET_KEY: &str = "test-secret-key";

/// A database server that speaks MongoDB's protocol.
pub struct DocumentServer {
    process: ServerProcess,
    port: u16,
}

/// A Redis server that keeps nothing over a restart.
pub struct CacheServer {
    process: ServerProcess,
    port: u16,
}

/// An S3 server.
pub struct ObjectServer {
    process: ServerProcess,
    port: u16,
}

/// What can be done to any of them.
macro_rules! breakable {
    ($server:ty) => {
        impl $server {
            /// Kills the server as a power cut would (SIGKILL).
            pub fn kill(&mut self) {
                self.process.kill();
            }

            /// Starts the killed server again, on the same data and port, and waits until it serves.
            pub fn restart(&mut self) -> Result<()> {
                self.process.restart()
            }

            /// The same without waiting.
            pub fn launch(&mut self) -> Result<()> {
                self.process.launch()
            }

            /// Waits until the server serves.
            pub fn wait(&mut self) -> Result<()> {
                self.process.wait()
            }

            /// Stops the process (SIGSTOP): connections stay open and nothing answers.
            pub fn pause(&self) -> Result<()> {
                self.process.signal(Signal::STOP)
            }

            /// Lets a paused server go on.
            pub fn resume(&self) -> Result<()> {
                self.process.signal(Signal::CONT)
            }

            /// On 127.0.0.1.
            pub fn port(&self) -> u16 {
                self.port
            }
        }
    };
}

breakable!(DocumentServer);
breakable!(CacheServer);
breakable!(ObjectServer);

impl DocumentServer {
    /// Starts a server with no data and waits until it serves.
    pub fn start() -> Result<Self> {
        let port = ports::free(1)?[0];
        let process = ServerProcess::start(|data| Recipe {
            program: "secantusd-py",
            args: document_args(data, port),
            env: Vec::new(),
            ready: Box::new(move || ready::documents(port)),
        })?;
        Ok(Self { process, port })
    }

    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The URL under another port, such as a proxy's.
    pub fn url_at(&self, port: u16) -> String {
        // the server calls itself a replica set of one, under its own address; a proxy must not be passed by
        format!("mongodb://{}:{port}/?directConnection=true", Ipv4Addr::LOCALHOST)
    }

    /// What a node must be told to keep its documents in a database here.
    pub fn env(&self, database: &str) -> Vec<(String, String)> {
        pairs([("MONGODB_URL", self.url()), ("MONGODB_DATABASE", database.to_owned())])
    }
}

fn document_args(data: &Path, port: u16) -> Vec<String> {
    // without the sync it loses acknowledged writes when it is killed
    let mut args = words("--host 127.0.0.1 --sync-on-commit --enable-test-commands --cache-size 256M");
    args.extend(["--port".to_owned(), port.to_string()]);
    args.extend(["--storage-path".to_owned(), data.display().to_string()]);
    args
}

impl CacheServer {
    /// Starts a server with no data and waits until it serves.
    pub fn start() -> Result<Self> {
        let port = ports::free(1)?[0];
        let process = ServerProcess::start(|data| {
            let mut args = words("--bind 127.0.0.1 --appendonly no");
            args.extend(["--save".to_owned(), String::new()]);
            args.extend(["--port".to_owned(), port.to_string(), "--dir".to_owned(), data.display().to_string()]);
            args.extend(["--databases".to_owned(), CACHE_DATABASES.to_string()]);
            let ready = Box::new(move || ready::cache(port));
            Recipe { program: "redis-server", args, env: Vec::new(), ready }
        })?;
        Ok(Self { process, port })
    }

    /// The URL of a numbered database.
    pub fn url(&self, database: u32) -> String {
        self.url_at(self.port, database)
    }

    /// The URL under another port, such as a proxy's.
    pub fn url_at(&self, port: u16, database: u32) -> String {
        format!("redis://{}:{port}/{database}", Ipv4Addr::LOCALHOST)
    }

    /// Forgets everything in all databases.
    pub fn flush(&self) -> Result<()> {
        ready::tell(self.port, "FLUSHALL", 1)
    }

    /// What a node must be told to use a database here.
    pub fn env(&self, database: u32) -> Vec<(String, String)> {
        pairs([("REDIS_URL", self.url(database))])
    }
}

impl ObjectServer {
    /// Starts a server with no data and waits until it serves.
    pub fn start() -> Result<Self> {
        let ports = ports::free(10)?;
        let (port, files) = (ports[0], ports[1]);
        let process = ServerProcess::start(|data| Recipe {
            program: "weed",
            args: object_args(data, &ports),
            env: vec![
                ("GOMEMLIMIT", "300MiB"),
                ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
                ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ],
            ready: Box::new(move || ready::objects(port, files)),
        })?;
        Ok(Self { process, port })
    }

    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The URL under another port, such as a proxy's.
    pub fn url_at(&self, port: u16) -> String {
        format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
    }

    /// What a node must be told to keep its objects in a bucket here.
    pub fn env(&self, bucket: &str) -> Vec<(String, String)> {
        let keys = [("S3_ACCESS_KEY", ACCESS_KEY.to_owned()), ("S3_SECRET_KEY", SECRET_KEY.to_owned())];
        let place = [("S3_ENDPOINT_URL", self.url()), ("S3_BUCKET_NAME", bucket.to_owned())];
        pairs(place.into_iter().chain(keys))
    }
}

/// S3 and file store come first among the ports.
fn object_args(data: &Path, ports: &[u16]) -> Vec<String> {
    let mut args = words("mini -ip=127.0.0.1 -ip.bind=127.0.0.1 -webdav=false -admin.ui=false");
    args.extend(words("-s3.port.iceberg=0 -s3.port.lance=0"));
    // each bucket takes a volume at least, and every test has a bucket: left to itself the server has some forty
    args.push("-volume.max=20000".to_owned());
    args.push(format!("-dir={}", data.display()));
    let uses = ["s3.port", "filer.port", "master.port", "volume.port", "admin.port"];
    for (i, name) in uses.into_iter().enumerate() {
        args.push(format!("-{name}={}", ports[i]));
        args.push(format!("-{name}.grpc={}", ports[i + uses.len()]));
    }
    args
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Vec<(String, String)> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
