//! The sockets and threads of the admin server and of the control server, and the limits on their connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ReadyState;
use super::pages::{Page, router};
use crate::metrics::Registry;
use crate::net::{SocketFile, listen_private};

/// The largest number of connections at a time. A further connection replaces the one that was inactive for
/// longest, so that silent connections cannot shut anybody out.
pub(crate) const MOST_CONNECTIONS: usize = 32;
/// The time in which a request head must arrive, from the connection's start or the previous answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The time without activity after which a connection is closed, even during an answer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head in bytes; a larger one is answered 431.
const MOST_HEAD: usize = 16 << 10;
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(50);

/// A running admin server, which stops when this value is dropped.
pub(crate) struct Admin {
    addr: SocketAddr,
    _thread: ServerThread,
}

/// A running control server: the admin pages and those of commands, on a Unix socket. It stops when this value is dropped.
pub(crate) struct ControlServer {
    file: Option<SocketFile>,
    _thread: ServerThread,
}

/// A thread that serves pages until this value is dropped.
struct ServerThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds `bind` and serves the admin pages on a new thread.
///
/// # Errors
/// Returns the kernel's error if the address cannot be bound or the thread cannot be started.
pub(crate) fn start(bind: SocketAddr, registry: Registry, ready: ReadyState) -> io::Result<Admin> {
    start_with(bind, registry, ready, Vec::new())
}

/// Works like [`start`] and serves the pages of `more` as well.
///
/// # Errors
/// Returns the kernel's error if the address cannot be bound or the thread cannot be started.
///
/// # Panics
/// If two pages have the same path.
pub(crate) fn start_with(
    bind: SocketAddr,
    registry: Registry,
    ready: ReadyState,
    more: Vec<Page>,
) -> io::Result<Admin> {
    let listener = TcpListener::bind(bind)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let register = || tokio::net::TcpListener::from_std(listener);
    let thread = ServerThread::start("admin", register, router(registry, ready, more))?;
    Ok(Admin { addr, _thread: thread })
}

/// Binds a Unix socket of mode 0600, and serves the admin pages and those of `commands` there, on a new thread.
///
/// # Errors
/// Returns the kernel's error if the path cannot be bound or the thread cannot be started.
pub(crate) fn start_control(
    path: &Arc<Path>,
    registry: Registry,
    ready: ReadyState,
    commands: Vec<Page>,
) -> io::Result<ControlServer> {
    let listener: UnixListener = listen_private(path)?.into();
    let file = SocketFile::at(path);
    let register = || tokio::net::UnixListener::from_std(listener);
    let thread = ServerThread::start("control", register, router(registry, ready, commands))?;
    Ok(ControlServer { file, _thread: thread })
}

impl ServerThread {
    /// Starts a thread of this name. `register` makes the listener within the runtime of the thread.
    fn start<L: Listen + Send + 'static>(
        name: &str,
        register: impl FnOnce() -> io::Result<L>,
        router: Router,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            // Registering a socket needs the runtime of the thread that will serve it.
            let _within = runtime.enter();
            register()?
        };
        let (stop, stopped) = oneshot::channel();
        let serve = move || runtime.block_on(serve(listener, router, stopped));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(serve)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// A listening socket, TCP or Unix.
trait Listen {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Accepts a connection.
    async fn accept_stream(&self) -> io::Result<Self::Stream>;
}

impl Listen for tokio::net::TcpListener {
    type Stream = TcpStream;
    async fn accept_stream(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

impl Listen for tokio::net::UnixListener {
    type Stream = UnixStream;
    async fn accept_stream(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }
}

/// Serves until `stopped`, and then cuts all connections, since no answer here is worth a delayed exit.
async fn serve(listener: impl Listen, router: Router, stopped: oneshot::Receiver<()>) {
    let accept = async {
        let mut connections = Connections::default();
        loop {
            match listener.accept_stream().await {
                Ok(stream) => {
                    connections.admit(stream, &router);
                    // A connection that was aborted for this one gives its descriptor back when its task runs.
                    tokio::task::yield_now().await;
                }
                Err(_) => {
                    // The process may be out of descriptors, so some of our own connections make room.
                    connections.make_room(MOST_CONNECTIONS / 2);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stopped => {}
    }
}

/// The open connections.
#[derive(Default)]
struct Connections(Vec<Connection>);

struct Connection {
    task: AbortHandle,
    activity: LastActivity,
}

impl Connections {
    fn admit(&mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: &Router) {
        self.make_room(MOST_CONNECTIONS - 1);
        let activity = LastActivity::now();
        let task = tokio::spawn(carry(stream, router.clone(), activity.clone())).abort_handle();
        self.0.push(Connection { task, activity });
    }

    /// Closes connections until `most` are left, starting with those that were inactive for longest.
    fn make_room(&mut self, most: usize) {
        self.0.retain(|connection| !connection.task.is_finished());
        self.0.sort_by_key(|connection| connection.activity.at());
        let many = self.0.len().saturating_sub(most);
        self.0.drain(..many).for_each(|connection| connection.task.abort());
    }
}

/// Answers requests on one connection until the connection is inactive for too long.
async fn carry<S>(stream: S, router: Router, activity: LastActivity)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = ActivityStream { io: TokioIo::new(stream), activity: activity.clone() };
    let mut settings = http1::Builder::new();
    settings.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MOST_HEAD);
    let answer = settings.serve_connection(io, TowerToHyperService::new(router));
    tokio::select! {
        _ = answer => {} // a client that sends a bad request has been answered, or is gone
        () = activity.stands_still() => {}
    }
}

/// The time of the last activity on a connection, in nanoseconds since the connection began.
#[derive(Clone)]
struct LastActivity {
    begun: Instant,
    after: Arc<AtomicU64>,
}

impl LastActivity {
    fn now() -> Self {
        Self { begun: Instant::now(), after: Arc::default() }
    }

    fn note(&self) {
        let after = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.after.store(after, Ordering::Relaxed);
    }

    fn at(&self) -> Instant {
        self.begun + Duration::from_nanos(self.after.load(Ordering::Relaxed))
    }

    async fn stands_still(&self) {
        while self.at() + IDLE_TIMEOUT > Instant::now() {
            tokio::time::sleep_until(self.at() + IDLE_TIMEOUT).await;
        }
    }
}

/// A stream that records the time of each read and write.
struct ActivityStream<S> {
    io: TokioIo<S>,
    activity: LastActivity,
}

impl<S: Unpin> ActivityStream<S> {
    fn io(&mut self) -> Pin<&mut TokioIo<S>> {
        Pin::new(&mut self.io)
    }

    fn noted<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(outcome, Poll::Ready(Ok(_))) {
            self.activity.note();
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> Read for ActivityStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.io().poll_read(cx, buf);
        self.noted(read)
    }
}

impl<S: AsyncWrite + Unpin> Write for ActivityStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.io().poll_write(cx, buf);
        self.noted(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.io().poll_write_vectored(cx, bufs);
        self.noted(written)
    }
}

impl Admin {
    /// Returns the address that the server is bound to, with the port that the kernel chose for port 0.
    #[must_use]
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the server has already ended.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // The panic hook has already reported a panic of the thread.
            let _ = thread.join();
        }
    }
}
