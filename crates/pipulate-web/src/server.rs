//! Serves the app on loopback sockets, with limits.
//!
//! Invariants: only loopback addresses are served, and only connections that [`Admission`] accepts. A peer
//! that is slow to send its request's head, slow to send its body, idle, or slow to read its answer is
//! disconnected within 30 s, and the number of connections is limited, so no client can block others for
//! longer. After the signal to end, nothing delays the end by more than half a second.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use crate::app::app;
use crate::state::AppState;

/// Decides whether a connection from the first address to the second one, which is ours, may be answered.
pub type Admission = Arc<dyn Fn(SocketAddr, SocketAddr) -> bool + Send + Sync>;

/// The answer to all other connections.
const REFUSAL: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: 44\r\n\r\n\
    This app answers only programs of its user.\n";

/// The reason why the app can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener that other computers could reach.
    #[error(
        "{0} is not a loopback address; the web app is for this computer only, listen on 127.0.0.1 or ::1"
    )]
    NotLoopback(SocketAddr),
    /// The system refused a basic operation.
    #[error("can't {activity}: {source}")]
    Io { activity: &'static str, source: io::Error },
}

/// The limits of connections.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at once; more wait to be accepted.
    pub(crate) connections: usize,
    /// For a request's head, and for a connection between two requests.
    pub(crate) head: Duration,
    /// For a peer that doesn't read its answer.
    pub(crate) stall: Duration,
    /// For requests in progress at the end.
    pub(crate) farewell: Duration,
}

const LIMITS: Limits = Limits {
    connections: 2048,
    head: Duration::from_secs(10),
    stall: Duration::from_secs(20),
    farewell: Duration::from_millis(500),
};

/// The number of refused connections that are answered at once.
const REFUSALS: usize = 64;

/// Threads for blocking queries; idle ones end by themselves.
const BLOCKING_THREADS: usize = 16;

/// Serves the app until `shutdown` completes, on a runtime of its own, in this thread.
///
/// # Errors
/// A listener is not on a loopback address, or the system refuses a resource.
pub fn serve(
    listeners: Vec<std::net::TcpListener>,
    state: AppState,
    admits: Admission,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    serve_within(LIMITS, listeners, state, admits, shutdown)
}

pub(crate) fn serve_within(
    limits: Limits,
    listeners: Vec<std::net::TcpListener>,
    state: AppState,
    admits: Admission,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(during("start the web app's event loop"))?;
    let ended = runtime.block_on(run(limits, listeners, state, admits, shutdown));
    // Don't wait for running queries.
    runtime.shutdown_background();
    ended
}

async fn run(
    limits: Limits,
    listeners: Vec<std::net::TcpListener>,
    state: AppState,
    admits: Admission,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let app = app(state.clone());
    let (end, ended) = watch::channel(());
    let mut receptions = JoinSet::new();
    for listener in listeners {
        let reception = Reception {
            listener: register(listener)?,
            connections: Arc::clone(&connections),
            app: app.clone(),
            admits: Arc::clone(&admits),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            limits,
            open: GracefulShutdown::new(),
        };
        receptions.spawn(reception.run(ended.clone()));
    }
    shutdown.await;
    state.say_farewell(limits.farewell).await;
    drop(end);
    let keeping = tokio::time::timeout(limits.farewell, state.generations().save_all());
    let (_, _late) = tokio::join!(receptions.join_all(), keeping);
    Ok(())
}

fn register(listener: std::net::TcpListener) -> Result<TcpListener, ServeError> {
    let address = listener.local_addr().map_err(during("ask a listener for its address"))?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    listener.set_nonblocking(true).map_err(during("prepare a listener"))?;
    TcpListener::from_std(listener).map_err(during("watch a listener"))
}

fn during(activity: &'static str) -> impl FnOnce(io::Error) -> ServeError {
    move |source| ServeError::Io { activity, source }
}

/// Sends the refusal, then reads the request: a peer that is disconnected while it sends may lose the answer.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await?;
    let mut asked = [0; 4096];
    while stream.read(&mut asked).await? > 0 {}
    Ok(())
}

/// One listener and its connections.
struct Reception {
    listener: TcpListener,
    connections: Arc<Semaphore>,
    app: Router,
    admits: Admission,
    refusals: Arc<Semaphore>,
    limits: Limits,
    open: GracefulShutdown,
}

impl Reception {
    /// Accepts until `ended` has no sender, then shuts down open connections.
    async fn run(self, mut ended: watch::Receiver<()>) {
        tokio::select! {
            () = self.accept_all() => {}
            _ = ended.changed() => {}
        }
        drop(self.listener);
        // Connections that are still open are cut off when the runtime ends.
        tokio::time::timeout(self.limits.farewell, self.open.shutdown()).await.ok();
    }

    /// Never returns by itself: a semaphore that is never closed always gives a permit in the end.
    async fn accept_all(&self) {
        while let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, peer)) => match stream.local_addr() {
                    Ok(own) if (self.admits)(peer, own) => self.greet(stream, permit),
                    // Permits are for admitted connections: others can't exhaust them.
                    Ok(_) | Err(_) => self.refuse(stream),
                },
                // Out of file descriptors, or the peer has disconnected. There is no event for free
                // descriptors, so it tries again after a pause.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// With too many at once, connections are closed without an answer.
    fn refuse(&self, stream: TcpStream) {
        let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let patience = self.limits.farewell;
        tokio::spawn(async move {
            // A slow or disconnected peer misses nothing.
            tokio::time::timeout(patience, refuse(stream)).await.ok();
            drop(place);
        });
    }

    fn greet(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Streams send small pieces that people wait for; a socket without the option still works.
        stream.set_nodelay(true).ok();
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.stall));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(self.app.clone()));
        let connection = self.open.watch(connection);
        tokio::spawn(async move {
            // A broken connection only concerns its peer.
            connection.await.ok();
            drop(permit);
        });
    }
}
