//! The server as a process of its own, seen from outside through /proc.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Connection, Template};

pub struct Server {
    child: Child,
    pub address: String,
    pub ready_ms: f64,
    dir: std::path::PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with("data", &[]).await
    }

    /// With a data directory that others may share, and further settings.
    pub async fn start_with(data_dir: &str, settings: &[(String, String)]) -> Self {
        let dir = std::env::temp_dir().join(format!("metastamp-bench-{:x}", rand::random::<u64>()));
        fs::create_dir_all(&dir).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let begun = Instant::now();
        // another build of the node, to compare with
        let binary = std::env::var_os("METASTAMP_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_metastamp").into());
        let child = Command::new(binary)
            .current_dir(&dir)
            .env_clear()
            .envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("LOG_FORMAT", "json"), ("DATA_DIR", data_dir)])
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::from(log))
            .spawn()
            .unwrap();
        let mut server = Self { child, address: String::new(), ready_ms: 0.0, dir };
        server.address = wait(|| server.listening()).await;
        let ready = Template::get("/ready", None).render(0);
        // the port answers from the beginning, also while the stores are opened
        while Connection::open(&server.address).await.send(&ready).await != 200 {
            assert!(begun.elapsed() < Duration::from_secs(60), "not ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.ready_ms = begun.elapsed().as_secs_f64() * 1_000.0;
        server
    }

    fn listening(&self) -> Option<String> {
        let log = fs::read_to_string(self.dir.join("log")).ok()?;
        let line = log.lines().find(|line| line.contains("\"listening\""))?;
        Some(serde_json::from_str::<Value>(line).ok()?["address"].as_str()?.to_owned())
    }

    pub async fn register(&self) -> String {
        let body = format!("{{\"email\":\"b{:x}@bench.org\",\"password\":\"bench1234\"}}", rand::random::<u64>());
        let request = format!(
            "POST /api/v1/auth/register HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (status, body) = Connection::open(&self.address).await.exchange(request.as_bytes()).await;
        assert_eq!(status, 201);
        serde_json::from_str::<Value>(&body).unwrap()["token"].as_str().unwrap().to_owned()
    }

    pub async fn upload_once(&self, token: &str, unique: u64, bytes: usize) {
        let request = Template::upload(token, bytes).render(unique);
        assert_eq!(Connection::open(&self.address).await.send(&request).await, 201);
    }

    /// Waits until no asset is in the works.
    pub async fn wait_for_jobs(&self, token: &str) {
        let request = Template::get("/api/v1/assets?limit=1&status=processing", Some(token)).render(0);
        loop {
            let (_, body) = Connection::open(&self.address).await.exchange(&request).await;
            if serde_json::from_str::<Value>(&body).unwrap()["total"] == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the process has been quiet for a moment.
    pub async fn settle(&self) {
        let mut last = self.cpu_ms();
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.cpu_ms();
            if now - last < 20.0 {
                return;
            }
            last = now;
        }
    }

    /// User and system time of all threads so far.
    pub fn cpu_ms(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks * 10.0
    }

    pub fn resident_mib(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// Highest resident size since [`Server::reset_peak`].
    pub fn peak_mib(&self) -> f64 {
        self.status("VmHWM:")
    }

    pub fn reset_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn status(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
    }
}

async fn wait<T>(mut f: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = f() {
            return value;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "the server did not start");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
