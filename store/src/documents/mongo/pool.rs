//! Use of the connection pools, as the driver reports it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use metrics::gauge;
use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;

use crate::metrics::{STORE_CONNECTIONS, STORE_CONNECTIONS_IN_USE};

#[derive(Default)]
struct Connections {
    open: AtomicI64,
    in_use: AtomicI64,
}

/// Keeps the gauges of one client's connections.
pub(super) fn observer() -> EventHandler<CmapEvent> {
    let connections = Arc::new(Connections::default());
    EventHandler::callback(move |event| {
        let change = |count: &AtomicI64, by| count.fetch_add(by, Ordering::Relaxed) + by;
        let Connections { open, in_use } = &*connections;
        match event {
            CmapEvent::ConnectionCreated(_) => change(open, 1),
            CmapEvent::ConnectionClosed(_) => change(open, -1),
            CmapEvent::ConnectionCheckedOut(_) => change(in_use, 1),
            CmapEvent::ConnectionCheckedIn(_) => change(in_use, -1),
            _ => return,
        };
        let (open, in_use) = (open.load(Ordering::Relaxed), in_use.load(Ordering::Relaxed));
        gauge!(STORE_CONNECTIONS, "store" => "documents").set(open as f64);
        gauge!(STORE_CONNECTIONS_IN_USE, "store" => "documents").set(in_use as f64);
    })
}
