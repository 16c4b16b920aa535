//! Finds the others: looks seeds up again and again, and says hello to every address that is not a live member.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatHandle;

use crate::throttle::Throttle;

/// While nobody is there, and afterwards.
const ALONE_EVERY: Duration = Duration::from_millis(500);
const JOINED_EVERY: Duration = Duration::from_secs(5);
/// A name may stand for many addresses, within reason.
const ADDRESSES_MAX: usize = 256;
const LOOKUP_WITHIN: Duration = Duration::from_secs(2);

/// Goes on for as long as gossip does: a cluster that fell apart finds itself again by its seeds.
pub async fn sow(seeds: Vec<String>, own: SocketAddr, gossip: Arc<ChitchatHandle>) {
    let mut said = Throttle::new(Duration::from_secs(60), 64);
    loop {
        let known: HashSet<SocketAddr> =
            gossip.with_chitchat(|chitchat| chitchat.live_nodes().map(|id| id.gossip_advertise_addr).collect()).await;
        let addresses = look_up(&seeds, &mut said).await;
        for address in addresses.difference(&known).filter(|address| **address != own) {
            if gossip.gossip(*address).is_err() {
                return;
            }
        }
        tokio::time::sleep(if known.len() <= 1 { ALONE_EVERY } else { JOINED_EVERY }).await;
    }
}

async fn look_up(seeds: &[String], said: &mut Throttle<String>) -> HashSet<SocketAddr> {
    let mut found = HashSet::new();
    for seed in seeds {
        match tokio::time::timeout(LOOKUP_WITHIN, tokio::net::lookup_host(seed)).await {
            Ok(Ok(addresses)) => found.extend(addresses.take(ADDRESSES_MAX)),
            Ok(Err(error)) if said.admit(seed.clone()) => tracing::warn!(seed, %error, "seed not found"),
            Err(_) if said.admit(seed.clone()) => tracing::warn!(seed, "seed not found: no answer in time"),
            _ => {}
        }
    }
    found
}
