//! A TCP proxy between a node and a server, so that the way between them can be made slow or be broken.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const CHUNK_BYTES: usize = 64 << 10;
/// Chunks on their way; a sender that is ahead by more waits.
const CHUNKS_MAX: usize = 256;

/// What happens to what passes, and to what is on its way when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes pass.
    Pass,
    /// What the server says arrives so much later.
    Slow(Duration),
    /// New connections are closed at once and present ones are dropped, as if nobody listened.
    Refuse,
    /// Connections are accepted and stay, and no byte passes.
    Hang,
    /// The server is told, and does it; where it answers, the connection ends instead.
    Mute,
    /// The last byte of each long piece of what the server says is another one: heads of answers stay whole.
    Flip,
}

/// Runs on a thread of its own until dropped; its port stays the same.
pub struct Proxy {
    port: u16,
    /// `None` ends the proxy. The number rises when connections are to be dropped.
    state: watch::Sender<Option<State>>,
    thread: Option<JoinHandle<()>>,
}

/// Shorter pieces are heads of answers, or answers without bytes of a work.
const FLIPPED_FROM: usize = 2_048;

#[derive(Debug, Clone, Copy)]
struct State {
    fault: Fault,
    cuts: u64,
}

type Watch = watch::Receiver<Option<State>>;

impl Proxy {
    /// A proxy on a free port of 127.0.0.1 to a port there. The server need not run.
    pub fn start(to: u16) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (state, watch) = watch::channel(Some(State { fault: Fault::Pass, cuts: 0 }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            // the runtime drops all connections when this future ends
            _ = runtime.block_on(accept(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, to)), watch));
        });
        Ok(Self { port, state, thread: Some(thread.context("can't start a thread")?) })
    }

    /// Where the node connects, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this happens. [`Fault::Refuse`] also drops the connections there are.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| {
            if let Some(state) = state {
                state.fault = fault;
                state.cuts += u64::from(fault == Fault::Refuse);
            }
        });
    }

    /// Drops the connections there are; new ones are treated as before.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            if let Some(state) = state {
                state.cuts += 1;
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.send_replace(None);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, to: SocketAddr, watch: Watch) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut ended = watch.clone();
    let accepting = async {
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            let state = *watch.borrow();
            if state.is_some_and(|state| state.fault != Fault::Refuse) {
                tokio::spawn(connection(client, to, watch.clone()));
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = ended.wait_for(Option::is_none) => {}
    }
    Ok(())
}

/// Lives until one end closes or connections are dropped.
async fn connection(client: TcpStream, to: SocketAddr, mut watch: Watch) {
    let Some(born) = *watch.borrow() else { return };
    let mut held = watch.clone();
    let pass = async {
        passing(&mut held).await;
        let Ok(server) = TcpStream::connect(to).await else { return };
        _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        // either end closing ends both directions: none of the protocols here half-closes
        tokio::select! {
            () = pump(from_client, to_server, held.clone(), false) => {}
            () = pump(from_server, to_client, held.clone(), true) => {}
        }
    };
    tokio::select! {
        () = pass => {}
        _ = watch.wait_for(|state| state.is_none_or(|state| state.cuts != born.cuts)) => {}
    }
}

/// Waits while no byte may pass.
async fn passing(watch: &mut Watch) {
    _ = watch.wait_for(|state| state.is_none_or(|state| state.fault != Fault::Hang)).await;
}

/// One direction. A delay is one of arrival: what was sent meanwhile is on its way too.
async fn pump(from: OwnedReadHalf, to: OwnedWriteHalf, watch: Watch, delayed: bool) {
    let (queue, chunks) = mpsc::channel(CHUNKS_MAX);
    // the reader's end closes the queue, so that what was read still arrives
    tokio::join!(read(from, queue, watch.clone(), delayed), write(to, chunks, watch));
}

/// What was read, and when it may be written.
type Chunk = (Instant, Vec<u8>);

async fn read(mut from: OwnedReadHalf, queue: mpsc::Sender<Chunk>, watch: Watch, delayed: bool) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let is_flipping = matches!(*watch.borrow(), Some(State { fault: Fault::Flip, .. }));
        if is_flipping && delayed && count >= FLIPPED_FROM {
            buffer[count - 1] ^= 1;
        }
        let slow = match *watch.borrow() {
            Some(State { fault: Fault::Slow(by), .. }) if delayed => by,
            Some(State { fault: Fault::Mute, .. }) if delayed => return,
            _ => Duration::ZERO,
        };
        if queue.send((Instant::now() + slow, buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn write(mut to: OwnedWriteHalf, mut chunks: mpsc::Receiver<Chunk>, mut watch: Watch) {
    while let Some((due, chunk)) = chunks.recv().await {
        tokio::time::sleep_until(due).await;
        passing(&mut watch).await;
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    /// A server that gives back what it gets.
    fn echo() -> u16 {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut &stream));
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream
    }

    fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])
    }

    #[test]
    fn bytes_pass_are_held_back_and_are_cut_off() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        ask(&mut stream).unwrap();
        proxy.set(Fault::Slow(Duration::from_millis(100)));
        let began = std::time::Instant::now();
        ask(&mut stream).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(100));
        proxy.set(Fault::Hang);
        assert!(ask(&mut stream).is_err(), "nothing may pass");
        assert!(ask(&mut connect(&proxy)).is_err(), "nothing may pass on a new connection");
        proxy.set(Fault::Pass);
        stream.read_exact(&mut [0]).unwrap();
        proxy.cut();
        std::thread::sleep(Duration::from_millis(50));
        assert!(ask(&mut stream).is_err(), "it was cut");
        ask(&mut connect(&proxy)).unwrap();
        proxy.set(Fault::Refuse);
        assert!(ask(&mut connect(&proxy)).is_err(), "it was refused");
    }

    #[test]
    fn a_mute_server_hears_what_it_is_told() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap().port()).unwrap();
        proxy.set(Fault::Mute);
        let mut stream = connect(&proxy);
        stream.write_all(b"x").unwrap();
        let (mut server, mut heard) = (listener.accept().unwrap().0, [0]);
        server.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"x");
        server.write_all(b"y").unwrap();
        // the end of the connection, and no byte before
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}
