//! How many requests of one client behind trusted proxies may be under way: its connections end at the proxy, so that is
//! what can be counted here.

use std::sync::Arc;

use metastamp_protocol::ErrorCode;
use metastamp_service::fair::{Counts, Origin};
use parking_lot::Mutex;

use super::error::{Error, Result};

/// As many as half of the uploads that a node takes at once.
const REQUESTS_PER_CLIENT_MAX: usize = 256;

#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<Counts<Origin>>>);

/// A request that counts; given back when dropped.
pub struct Counted {
    clients: Clients,
    client: Origin,
}

impl Clients {
    /// # Errors
    /// 429 when this client has too many requests under way.
    pub fn count(&self, client: Origin) -> Result<Counted> {
        let mut counts = self.0.lock();
        if counts.of(&client) >= REQUESTS_PER_CLIENT_MAX {
            let message = format!("At most {REQUESTS_PER_CLIENT_MAX} requests at once are possible");
            return Err(Error::new(ErrorCode::RateLimitExceeded, message).retry_after(1));
        }
        counts.add(client);
        Ok(Counted { clients: self.clone(), client })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.clients.0.lock().remove(&self.client);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(last: u8) -> Origin {
        IpAddr::from([192, 0, 2, last]).into()
    }

    #[test]
    fn each_client_has_a_bound_of_its_own() {
        let clients = Clients::default();
        let held: Vec<_> = (0..REQUESTS_PER_CLIENT_MAX).map(|_| clients.count(client(1)).ok().unwrap()).collect();
        assert_eq!(clients.count(client(1)).err().map(|error| error.status_code()), Some(429));
        assert!(clients.count(client(2)).is_ok());
        drop(held);
        assert!(clients.count(client(1)).is_ok());
        assert_eq!(clients.0.lock().callers(), 0);
    }
}
