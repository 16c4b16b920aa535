//! Ports that a node can take again after a restart.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, ensure};

/// Below the range that the kernel gives to outgoing connections: one of those must not sit on a dead node's port.
const FIRST: u32 = 18_000;
const COUNT: u32 = 12_000;

/// Ports free for TCP and UDP at this moment. Calls of this process and, by its id, of others start at different ones.
pub fn free(count: usize) -> Result<Vec<u16>> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = process::id().wrapping_mul(131);
    let candidates = (0..COUNT).map(|_| NEXT.fetch_add(1, Ordering::Relaxed));
    let ports = candidates.map(|n| (FIRST + base.wrapping_add(n) % COUNT) as u16);
    let free: Vec<u16> = ports.filter(|port| is_free(*port)).take(count).collect();
    ensure!(free.len() == count, "no {count} free ports from {FIRST} on");
    Ok(free)
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_once() {
        let (a, b) = (free(3).unwrap(), free(3).unwrap());
        assert!(a.iter().all(|port| !b.contains(port)));
    }
}
