//! The cluster's part of the configuration. A single node needs none of it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use metastamp_cluster::{Certificates, Detection};
use metastamp_protocol::cluster::wire;

use super::reader::Reader;

/// Where links and gossip are taken unless said otherwise.
const PORT: u16 = 7_800;
const SECRET_CHARS_MIN: usize = 16;
const SECRET_CHARS_MIN_IN_PRODUCTION: usize = 32;
const SEEDS_MAX: usize = 64;

/// How this node takes part in a cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    pub listen: SocketAddr,
    /// `host:port`, if the operator named it.
    pub advertise: Option<String>,
    /// `host:port` each.
    pub seeds: Vec<String>,
    /// Without one, the data directory keeps a generated one; only loopback outside production goes without.
    pub secret: Option<String>,
    pub certificates: Option<Certificates>,
    pub detection: Detection,
    pub protocol_max: u32,
    /// How long a leaving node goes on accepting requests while load balancers notice.
    pub leave_time: Duration,
}

/// The id the operator gave this node, if any.
pub(super) fn node_id(r: &mut Reader) -> Option<String> {
    let id = r.text(&["CLUSTER_NODE_ID"])?;
    if is_node_id(&id) {
        return Some(id);
    }
    let accepted = "1 to 63 lower-case letters, digits and hyphens, with no hyphen first or last";
    r.problem("CLUSTER_NODE_ID", format!("is {id:?}, accepted: {accepted}"));
    None
}

/// Fit to be a DNS name: that is where certificates carry it.
fn is_node_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&id.len()) && id.chars().all(plain) && !id.starts_with('-') && !id.ends_with('-')
}

/// `None` when neither `CLUSTER_LISTEN` nor `CLUSTER_SEEDS` is set: then the node acts alone. Everything is checked all
/// the same.
pub(super) fn read(r: &mut Reader, production: bool) -> Option<ClusterConfig> {
    let seeds = seeds(r);
    let listen = listen(r, !seeds.is_empty());
    let advertise = advertise(r, listen);
    let secret = secret(r, production, listen);
    let certificates = certificates(r);
    let gossip = r.parse(&["CLUSTER_GOSSIP_INTERVAL_MS"], 250_u64, "100 to 2000", |n| (100..=2_000).contains(n));
    let phi = r.parse(&["CLUSTER_PHI_THRESHOLD"], 8.0_f64, "4 to 16", |n| (4.0..=16.0).contains(n));
    let ping = r.parse(&["CLUSTER_PING_INTERVAL_MS"], 500_u64, "200 to 5000", |n| (200..=5_000).contains(n));
    let versions = wire::VERSION_MIN..=wire::VERSION_MAX;
    let accepted = format!("{} to {}", wire::VERSION_MIN, wire::VERSION_MAX);
    let protocol_max =
        r.parse(&["CLUSTER_PROTOCOL_MAX"], wire::VERSION_MAX, &accepted, |version| versions.contains(version));
    let leave_s = r.parse(&["CLUSTER_LEAVE_SECONDS"], 3_u64, "0 to 60", |n| *n <= 60);
    let detection =
        Detection { gossip_interval: Duration::from_millis(gossip), phi, ping_interval: Duration::from_millis(ping) };
    let leave_time = Duration::from_secs(leave_s);
    Some(ClusterConfig { listen: listen?, advertise, seeds, secret, certificates, detection, protocol_max, leave_time })
}

fn seeds(r: &mut Reader) -> Vec<String> {
    let given = r.list(&["CLUSTER_SEEDS"], &[]);
    if given.len() > SEEDS_MAX {
        r.problem("CLUSTER_SEEDS", format!("holds {} seeds, accepted: at most {SEEDS_MAX}", given.len()));
    }
    let mut seeds = Vec::with_capacity(given.len());
    for seed in given {
        match with_port(&seed, PORT) {
            Some(seed) => seeds.push(seed),
            None => r.problem("CLUSTER_SEEDS", format!("holds {seed:?}, accepted: host or host:port")),
        }
    }
    seeds
}

fn listen(r: &mut Reader, seeded: bool) -> Option<SocketAddr> {
    let default = SocketAddr::from(([0, 0, 0, 0], PORT));
    let text = match seeded {
        true => r.text_or(&["CLUSTER_LISTEN"], &default.to_string()),
        false => r.text(&["CLUSTER_LISTEN"])?,
    };
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            r.problem(
                "CLUSTER_LISTEN",
                format!("is {text:?}, accepted: ip:port, such as {default} (port 0 takes a free one)"),
            );
            None
        }
    }
}

fn advertise(r: &mut Reader, listen: Option<SocketAddr>) -> Option<String> {
    let text = r.text(&["CLUSTER_ADVERTISE"])?;
    // What port 0 becomes is not known before the port is bound, so there others must be told the port.
    let default = listen.map_or(PORT, |listen| listen.port());
    let address = with_port(&text, default);
    let unspecified = |address: &String| address.parse::<SocketAddr>().is_ok_and(|a| a.ip().is_unspecified());
    match address.filter(|address| !address.ends_with(":0") && !unspecified(address)) {
        Some(address) => Some(address),
        None => {
            let accepted =
                "host or host:port under which others reach this node; with the port when CLUSTER_LISTEN has port 0";
            r.problem("CLUSTER_ADVERTISE", format!("is {text:?}, accepted: {accepted}"));
            None
        }
    }
}

fn secret(r: &mut Reader, production: bool, listen: Option<SocketAddr>) -> Option<String> {
    let secret = r.secret(&["CLUSTER_SECRET"]);
    let chars_min = if production { SECRET_CHARS_MIN_IN_PRODUCTION } else { SECRET_CHARS_MIN };
    match (&secret, listen) {
        (Some(secret), _) if secret.chars().count() < chars_min => {
            r.problem("CLUSTER_SECRET", format!("is too short, accepted: at least {chars_min} characters"));
        }
        (None, Some(_)) if production => {
            let needed = format!("is required in a cluster when APP_ENV=production (at least {chars_min} characters)");
            r.problem("CLUSTER_SECRET", needed);
        }
        (None, Some(listen)) if !listen.ip().is_loopback() => {
            let why = format!("(at least {chars_min} characters), because CLUSTER_LISTEN is not loopback");
            r.problem("CLUSTER_SECRET", format!("is required {why}"));
        }
        _ => {}
    }
    secret
}

/// All three files, or none.
fn certificates(r: &mut Reader) -> Option<Certificates> {
    let names = ["CLUSTER_TLS_CERT_FILE", "CLUSTER_TLS_KEY_FILE", "CLUSTER_TLS_CA_FILE"];
    let files = names.map(|name| r.text(&[name]).map(PathBuf::from));
    match files {
        [Some(certificate), Some(key), Some(authority)] => Some(Certificates { certificate, key, authority }),
        [None, None, None] => None,
        files => {
            for (name, _) in names.iter().zip(&files).filter(|(_, file)| file.is_none()) {
                r.problem(name, "is missing: CLUSTER_TLS_CERT_FILE, _KEY_FILE and _CA_FILE go together");
            }
            None
        }
    }
}

/// `host` or `host:port` as `host:port`; `None` for what is neither. IPv6 addresses may stand in brackets.
fn with_port(text: &str, default: u16) -> Option<String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, default).to_string());
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, port) = rest.split_once(']')?;
            ip.parse::<Ipv6Addr>().ok()?;
            (format!("[{ip}]"), port)
        }
        None => {
            let at = text.find(':').unwrap_or(text.len());
            let (host, port) = text.split_at(at);
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
                return None;
            }
            (host.to_owned(), port)
        }
    };
    let port = match port {
        "" => default,
        port => port.strip_prefix(':')?.parse::<u16>().ok().filter(|port| *port > 0)?,
    };
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::Problem;

    const SECRET: (&str, &str) = ("CLUSTER_SECRET", "0123456789abcdef");

    fn parse(pairs: &[(&str, &str)], production: bool) -> Result<Option<ClusterConfig>, Vec<String>> {
        let mut reader = Reader::from_pairs(pairs);
        node_id(&mut reader);
        let config = read(&mut reader, production);
        let names = |problems: Vec<Problem>| problems.into_iter().map(|p| p.name).collect();
        if reader.problems.is_empty() { Ok(config) } else { Err(names(reader.problems)) }
    }

    fn clustered(pairs: &[(&str, &str)]) -> ClusterConfig {
        parse(pairs, false).unwrap().unwrap()
    }

    #[test]
    fn a_node_alone_needs_nothing() {
        assert!(parse(&[], false).unwrap().is_none());
        assert!(parse(&[], true).unwrap().is_none());
        assert!(parse(&[SECRET, ("CLUSTER_NODE_ID", "a")], false).unwrap().is_none());
    }

    #[test]
    fn seeds_or_a_listener_make_a_cluster() {
        let config = clustered(&[SECRET, ("CLUSTER_SEEDS", "node, 10.0.0.2:7900,[::1]:1,::2")]);
        assert_eq!(config.listen.to_string(), "0.0.0.0:7800");
        assert_eq!(config.seeds, ["node:7800", "10.0.0.2:7900", "[::1]:1", "[::2]:7800"]);
        assert_eq!(config.detection, Detection::default());
        assert_eq!((config.protocol_max, config.leave_time.as_secs()), (wire::VERSION_MAX, 3));
        let config = clustered(&[("CLUSTER_LISTEN", "127.0.0.1:0")]);
        assert!(config.seeds.is_empty() && config.secret.is_none());
    }

    #[test]
    fn what_is_advertised_takes_the_port_of_the_listener() {
        let with = |listen, advertise| {
            let pairs = [SECRET, ("CLUSTER_LISTEN", listen), ("CLUSTER_ADVERTISE", advertise)];
            parse(&pairs, false).map(|config| config.and_then(|config| config.advertise))
        };
        assert_eq!(with("0.0.0.0:7801", "node-a"), Ok(Some("node-a:7801".to_owned())));
        assert_eq!(with("0.0.0.0:0", "10.0.0.9:9000"), Ok(Some("10.0.0.9:9000".to_owned())));
        for (listen, advertise) in [("0.0.0.0:0", "node-a"), ("0.0.0.0:1", "0.0.0.0:1"), ("0.0.0.0:1", "a b")] {
            assert_eq!(with(listen, advertise), Err(vec!["CLUSTER_ADVERTISE".to_owned()]), "{advertise}");
        }
    }

    #[test]
    fn only_loopback_outside_production_goes_without_a_secret() {
        let missing = Err(vec!["CLUSTER_SECRET".to_owned()]);
        let problems = |pairs: &[(&str, &str)], production| parse(pairs, production).map(|_| ());
        assert_eq!(problems(&[("CLUSTER_LISTEN", "127.0.0.1:7800")], false), Ok(()));
        assert_eq!(problems(&[("CLUSTER_LISTEN", "127.0.0.1:7800")], true), missing);
        assert_eq!(problems(&[("CLUSTER_SEEDS", "node")], false), missing);
        assert_eq!(problems(&[("CLUSTER_SEEDS", "node"), SECRET], false), Ok(()));
        assert_eq!(problems(&[("CLUSTER_SEEDS", "node"), SECRET], true), missing, "16 are too few in production");
        assert_eq!(problems(&[("CLUSTER_SECRET", "short")], false), missing);
    }

    #[test]
    fn certificates_come_in_threes() {
        let (cert, key, ca) =
            (("CLUSTER_TLS_CERT_FILE", "c"), ("CLUSTER_TLS_KEY_FILE", "k"), ("CLUSTER_TLS_CA_FILE", "a"));
        let listen = ("CLUSTER_LISTEN", "127.0.0.1:1");
        assert!(clustered(&[listen, cert, key, ca]).certificates.is_some());
        let missing = parse(&[listen, cert], false).err().unwrap();
        assert_eq!(missing, ["CLUSTER_TLS_KEY_FILE", "CLUSTER_TLS_CA_FILE"]);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (name, value) in [
            ("CLUSTER_NODE_ID", "Node"),
            ("CLUSTER_NODE_ID", "-a"),
            ("CLUSTER_NODE_ID", "a_b"),
            ("CLUSTER_LISTEN", "7800"),
            ("CLUSTER_SEEDS", "a:0,b"),
            ("CLUSTER_SEEDS", "a:b:c"),
            ("CLUSTER_GOSSIP_INTERVAL_MS", "99"),
            ("CLUSTER_PHI_THRESHOLD", "3"),
            ("CLUSTER_PHI_THRESHOLD", "NaN"),
            ("CLUSTER_PING_INTERVAL_MS", "5001"),
            ("CLUSTER_PROTOCOL_MAX", "99"),
            ("CLUSTER_LEAVE_SECONDS", "61"),
        ] {
            assert_eq!(parse(&[(name, value), SECRET], false).err(), Some(vec![name.to_owned()]), "{name}={value}");
        }
        assert!(is_node_id(&"a".repeat(63)) && !is_node_id(&"a".repeat(64)) && is_node_id("node-0a1b2c3d"));
    }
}
