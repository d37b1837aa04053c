//! A client of `protocol: tcp` and the one connection to a member that it has for itself.
//!
//! Once it is connected, a client is never moved. `state` is what timers and drains may ask of a tunnel, and `ending` what
//! is counted at its end.

mod ending;
mod header;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::backend::MemberPool as _;
use crate::cause::Cause;
use crate::event_loop::{Contained, PanicSite, may_panic};
use crate::frontend::{self, Incoming, ProxyInfo};
use crate::link::{DedicatedLink, DedicatedPool};
use crate::metrics::{ClientClose, RetryReason, RetryResult};
use crate::relay::{Relay, RelayEnd, RelayIo, Side};
use crate::stream::Stream;

pub use ending::Ending;
use state::Tunnel;

/// What the clients of one listener share.
pub type TcpFrontend = frontend::Frontend<DedicatedPool>;

/// Takes an accepted connection onto this worker.
pub fn admit(frontend: &Rc<TcpFrontend>, incoming: Incoming) {
    let Incoming { stream, source, proxy_info, permit, link } = incoming;
    let tunnel = Tunnel::admit(frontend, stream, source, (permit, link));
    let reaching = Box::pin(reach(tunnel.clone()));
    let task = TunnelTask { tunnel, proxy_info, stage: Stage::Reaching(reaching) };
    tokio::task::spawn_local(task);
}

/// ```text
///             a link of its own           both ended, or one was reset
///   Reaching ───────────────────▶ Relaying ──────────────────────────▶ (closed)
///       │ none to be had                                                   ▲
///       └──────────────────────────────────────────────────────────────────┘
/// ```
enum Stage {
    /// Waits for a place and connects.
    Reaching(Pin<Box<dyn Future<Output = Result<DedicatedLink, Cause>>>>),
    /// Bytes go both ways.
    Relaying(Relay, DedicatedLink),
}

/// The tunnel as a task. All that only it touches is in here.
struct TunnelTask {
    tunnel: Rc<Tunnel>,
    proxy_info: Option<Box<ProxyInfo>>,
    stage: Stage,
}

impl Future for TunnelTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.tunnel.conn.keep_waker(cx);
        let tunnel = self.tunnel.clone();
        tunnel.frontend.event_loop.update_now();
        let polled = tunnel.frontend.event_loop.contain(PanicSite::Tunnel, || self.poll_ending(cx));
        match polled {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(ending)) => {
                self.end(ending);
                Poll::Ready(())
            }
            None => {
                tunnel.panicked();
                Poll::Ready(()) // and it is dropped, which ends it
            }
        }
    }
}

/// However the task ends, what the tunnel held is given back.
impl Drop for TunnelTask {
    fn drop(&mut self) {
        let tunnel = self.tunnel.clone();
        if !tunnel.over.get() {
            let ending = if tunnel.broken.get() {
                Ending::Failed(Cause::Internal)
            } else {
                Ending::Told(ClientClose::Drain)
            };
            // A panic in here would be one too many where another is under way.
            _ = tunnel.frontend.event_loop.contain(PanicSite::Tunnel, || self.end(ending));
        }
        tunnel.conn.close();
    }
}

impl TunnelTask {
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        may_panic("tunnel.poll");
        if self.tunnel.broken.get() {
            return Poll::Ready(Ending::Failed(Cause::Internal));
        }
        if let Some(why) = self.tunnel.verdict.get() {
            return Poll::Ready(Ending::Told(why));
        }
        match self.poll_stage(cx) {
            Poll::Pending if self.gives_way() => Poll::Ready(Ending::Told(ClientClose::Evicted)),
            polled => polled,
        }
    }

    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if let Stage::Reaching(reaching) = &mut self.stage {
            match reaching.as_mut().poll(cx) {
                Poll::Ready(Ok(link)) => self.reached(link),
                Poll::Ready(Err(cause)) => return Poll::Ready(Ending::Failed(cause)),
                Poll::Pending => {
                    let broken = self.tunnel.conn.stream().as_ref().map(|client| client.poll_broken(cx));
                    return broken
                        .unwrap_or(Poll::Pending)
                        .map(|()| Ending::Over(RelayEnd::Reset(Side::Client)));
                }
            }
        }
        self.poll_relay(cx).map(Ending::Over)
    }

    /// Whether it has been idle for so long that it makes room for somebody who waits.
    fn gives_way(&self) -> bool {
        matches!(&self.stage, Stage::Relaying(_, link) if link.is_wanted() && link.gives_way())
    }

    fn reached(&mut self, link: DedicatedLink) {
        let version = self.tunnel.destination.borrow().group.settings.proxy_protocol;
        let proxy_info = self.proxy_info.take();
        let first = version.map_or_else(Vec::new, |version| {
            let local = self.tunnel.conn.stream().as_ref().and_then(Stream::local_address);
            header::of(version, self.tunnel.source, proxy_info.as_deref(), local)
        });
        self.tunnel.open();
        self.stage = Stage::Relaying(Relay::new(&first, &[]), link);
    }

    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<RelayEnd> {
        let client = self.tunnel.conn.stream();
        let (Stage::Relaying(relay, link), Some(client)) = (&mut self.stage, client.as_ref()) else {
            return Poll::Pending;
        };
        let relay_io = relay_io(&self.tunnel, client, link);
        let end = relay.poll(cx, &relay_io);
        may_panic("tunnel.relay");
        if relay_io.asked.get() || relay_io.answered.get() {
            link.moved();
        }
        self.tunnel.moved(relay_io.asked.get(), relay_io.answered.get());
        if end.is_pending() {
            self.tunnel.look_at(relay.look_at(self.tunnel.frontend.event_loop.now()));
        }
        end
    }
}

fn relay_io<'a>(tunnel: &'a Tunnel, client: &'a Stream, link: &'a DedicatedLink) -> RelayIo<'a> {
    RelayIo {
        event_loop: &tunnel.frontend.event_loop,
        pipes: &tunnel.frontend.pipes,
        client,
        client_cells: &tunnel.frontend.cells,
        member: &link.stream,
        member_cells: link.cells(),
        splice: tunnel.destination.borrow().listener.tunnel.splice,
        asked: false.into(),
        answered: false.into(),
        delivered: Default::default(),
    }
}

/// A link to the member that the client's source meets; where that does not answer, to the next that does. Where none does,
/// the client waits for one to come back, as long as one attempt to connect may take.
async fn reach(tunnel: Rc<Tunnel>) -> Result<DedicatedLink, Cause> {
    let mut failure = None;
    let mut until = None;
    let mut tried = 0;
    loop {
        let group = tunnel.destination.borrow().group.clone();
        let member =
            tunnel.assignment.borrow_mut().choose(&group, tunnel.source.ip(), &tunnel.frontend.sources);
        let Some(member) = member else { return Err(Cause::NoMember) };
        if !member.pool.is_up() {
            let until = *until.get_or_insert_with(|| Instant::now() + member.pool.patience());
            let hoped = member.pool.wait_for_member(until).await;
            hoped.map_err(|trouble| failure.filter(|_| trouble != Cause::QueueFull).unwrap_or(trouble))?;
            tunnel.frontend.event_loop.update_now();
            tried = 0;
            continue;
        }
        if failure.is_some() {
            group.cells.retries[RetryReason::Connect][RetryResult::Ok].inc();
        }
        let began = Instant::now();
        let reached = member.pool.reach(tunnel.source.ip()).await;
        may_panic("tunnel.reached");
        match reached {
            Err(cause) if cause.is_of_member() => {
                failure = Some(cause);
                tried += 1;
                if tried > group.members.len() {
                    return Err(cause);
                }
                // The attempt may have taken all of the time already.
                let began = if cause == Cause::ConnectTimeout { began } else { Instant::now() };
                until.get_or_insert_with(|| began + member.pool.patience());
            }
            Err(Cause::NoMember) if member.pool.health().is_retired() && tunnel.take_destination() => {
                tried = 0
            }
            reached => return reached,
        }
    }
}
