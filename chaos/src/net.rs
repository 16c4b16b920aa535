//! A network of one's own: a namespace per node, a router between them, and cuts at the router.
//!
//! ```text
//! harness 10.x.250.1 --- 10.x.250.2 router 10.x.i.1 --- 10.x.i.2 node i
//! ```
//!
//! A cut is a policy rule of the router that drops packets by source and destination. The harness keeps its way to
//! every node: a client may well reach a node that its peers do not. Needs root and the command `ip`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use parking_lot::Mutex;

/// Names of namespaces begin so; the process id of the harness follows.
const PREFIX: &str = "msch";
/// The subnet between harness and router; nodes have the lower ones.
const HARNESS_SUBNET: usize = 250;

/// Namespaces, interfaces and rules. Everything is taken down on drop; nodes inside must have ended before.
pub struct Net {
    /// Begins the name of everything.
    name: String,
    /// The `x` of `10.x.0.0/16`.
    octet: u8,
    nodes: usize,
    cuts: Mutex<Vec<(usize, usize)>>,
}

impl Net {
    /// Builds the network for so many nodes, numbered from 0.
    pub fn new(nodes: usize) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        ensure!(nodes < HARNESS_SUBNET, "too many nodes for one network");
        available()?;
        remove_leftovers()?;
        let name = format!("{PREFIX}{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let net = Self { name, octet: free_octet()?, nodes, cuts: Mutex::default() };
        // on failure what was built until then is taken down with `net`
        net.build().context("can't build the network of the scenario")?;
        Ok(net)
    }

    /// The namespace of a node.
    pub fn namespace(&self, node: usize) -> String {
        format!("{}n{node}", self.name)
    }

    /// The address of a node, from everywhere.
    pub fn address(&self, node: usize) -> Ipv4Addr {
        self.host(node, 2)
    }

    /// Nothing passes between two nodes.
    pub fn cut(&self, a: usize, b: usize) -> Result<()> {
        self.one_way(a, b)?;
        self.one_way(b, a)
    }

    /// What `from` sends to `to` is lost; the other direction works.
    pub fn one_way(&self, from: usize, to: usize) -> Result<()> {
        self.rule("add", from, to)?;
        self.cuts.lock().push((from, to));
        Ok(())
    }

    /// Cuts a node from every other.
    pub fn isolate(&self, node: usize) -> Result<()> {
        (0..self.nodes).filter(|other| *other != node).try_for_each(|other| self.cut(node, other))
    }

    /// Takes back every cut.
    pub fn heal(&self) -> Result<()> {
        let cuts = std::mem::take(&mut *self.cuts.lock());
        cuts.into_iter().try_for_each(|(from, to)| self.rule("del", from, to))
    }

    fn rule(&self, verb: &str, from: usize, to: usize) -> Result<()> {
        let (from, to) = (self.address(from).to_string(), self.address(to).to_string());
        ip(&["-n", &self.router(), "rule", verb, "from", &from, "to", &to, "blackhole"])
    }

    fn router(&self) -> String {
        format!("{}r", self.name)
    }

    /// The harness's end of its line to the router. The kernel allows 15 characters.
    fn line(&self) -> String {
        self.name.replacen(PREFIX, "mc", 1)
    }

    fn host(&self, subnet: usize, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.octet, subnet as u8, host)
    }

    fn build(&self) -> Result<()> {
        let (router, line) = (self.router(), self.line());
        ip(&["netns", "add", &router])?;
        ip(&["-n", &router, "link", "set", "lo", "up"])?;
        ip(&["netns", "exec", &router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;
        ip(&["link", "add", &line, "type", "veth", "peer", "name", "harness", "netns", &router])?;
        let cidr = |address: Ipv4Addr| format!("{address}/30");
        let (near, far) = (self.host(HARNESS_SUBNET, 1), self.host(HARNESS_SUBNET, 2));
        ip(&["address", "add", &cidr(near), "dev", &line])?;
        ip(&["link", "set", &line, "up"])?;
        ip(&["-n", &router, "address", "add", &cidr(far), "dev", "harness"])?;
        ip(&["-n", &router, "link", "set", "harness", "up"])?;
        for node in 0..self.nodes {
            let (namespace, port) = (self.namespace(node), format!("n{node}"));
            ip(&["netns", "add", &namespace])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", &router, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
            ip(&["-n", &router, "address", "add", &cidr(self.host(node, 1)), "dev", &port])?;
            ip(&["-n", &router, "link", "set", &port, "up"])?;
            ip(&["-n", &namespace, "address", "add", &cidr(self.address(node)), "dev", "eth0"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
            ip(&["-n", &namespace, "route", "add", "default", "via", &self.host(node, 1).to_string()])?;
        }
        ip(&["route", "add", &format!("10.{}.0.0/16", self.octet), "via", &far.to_string()])
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // some may not be there yet or no more; the interfaces and the route go with their namespace
        for node in 0..self.nodes {
            _ = ip(&["netns", "delete", &self.namespace(node)]);
        }
        _ = ip(&["netns", "delete", &self.router()]);
        // the kernel takes a namespace apart in its own time: the line is ours to end now
        _ = ip(&["link", "delete", &self.line()]);
    }
}

/// Fails with what is missing.
fn available() -> Result<()> {
    let needs = "scenarios that cut links need root (CAP_NET_ADMIN and CAP_SYS_ADMIN) and the command `ip` \
                 (on Debian: apt-get install iproute2)";
    ip(&["netns", "list"]).context(needs)?;
    let probe = format!("{PREFIX}{}probe", std::process::id());
    ip(&["netns", "add", &probe]).context(needs)?;
    ip(&["netns", "delete", &probe]).context(needs)
}

/// Takes down the networks of harnesses that died before they could.
fn remove_leftovers() -> Result<()> {
    for line in output(&["netns", "list"])?.lines() {
        let Some(name) = line.split_whitespace().next() else { continue };
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if !pid.is_empty() && !Path::new("/proc").join(&pid).exists() {
            // another harness may be at it as well
            _ = ip(&["netns", "delete", name]);
        }
    }
    Ok(())
}

/// A second octet that no route of the machine uses.
fn free_octet() -> Result<u8> {
    let routes = output(&["-4", "route"])?;
    let taken = |octet: u8| routes.contains(&format!("10.{octet}.")) || routes.contains("10.0.0.0/8");
    let tries = std::iter::repeat_with(|| rand::random_range(16..240)).take(100);
    tries.into_iter().find(|octet| !taken(*octet)).context("every tried 10.x.0.0/16 is in use on this machine")
}

fn ip(arguments: &[&str]) -> Result<()> {
    output(arguments).map(|_| ())
}

fn output(arguments: &[&str]) -> Result<String> {
    let command = || format!("ip {}", arguments.join(" "));
    let output = Command::new("ip").args(arguments).output().with_context(command)?;
    if !output.status.success() {
        bail!("{}: {}", command(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
