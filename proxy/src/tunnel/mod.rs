//! One client and the one member connection it has for itself: opaque bytes both ways.
//! In: a connection. Out: a link to the member that its source meets, and all bytes of both, unchanged.
//! A connection is never moved; `state` is what others may ask of it, `ending` what is counted at its end.

mod ending;
mod header;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::cause::Cause;
use crate::hall::{self, Guest, Told};
use crate::link::{Outlet, OwnLink};
use crate::metrics::{ClientClose, RetryReason, RetryResult};
use crate::net::Socket;
use crate::relay::{Between, End, Relay, Side};
use crate::turn::keep;

pub use ending::Ending;
use state::Tunnel;

/// What the clients of one listener share.
pub type Hall = hall::Hall<Outlet>;

/// Takes an accepted connection onto this worker.
pub fn welcome(hall: &Rc<Hall>, guest: Guest) {
    let Guest { socket, source, told, pass } = guest;
    let tunnel = Tunnel::admit(hall, source, pass);
    let reaching = Box::pin(reach(tunnel.clone()));
    let task = Task { tunnel, client: socket, told, stage: Stage::Reaching(reaching) };
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
    Reaching(Pin<Box<dyn Future<Output = Result<OwnLink, Cause>>>>),
    /// Bytes go both ways.
    Relaying(Relay, OwnLink),
}

/// The tunnel as a task. All that only it touches is in here.
struct Task {
    tunnel: Rc<Tunnel>,
    client: Socket,
    told: Option<Box<Told>>,
    stage: Stage,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        keep(&self.tunnel.waker, cx.waker());
        self.tunnel.hall.turn.tick();
        let ending = match self.tunnel.verdict.get() {
            Some(why) => Ending::Told(why),
            None => match self.poll_stage(cx) {
                Poll::Ready(ending) => ending,
                Poll::Pending if self.gives_way() => Ending::Told(ClientClose::Evicted),
                Poll::Pending => return Poll::Pending,
            },
        };
        self.end(ending);
        Poll::Ready(())
    }
}

impl Task {
    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if let Stage::Reaching(reaching) = &mut self.stage {
            match reaching.as_mut().poll(cx) {
                Poll::Ready(Ok(link)) => self.reached(link),
                Poll::Ready(Err(cause)) => return Poll::Ready(Ending::Failed(cause)),
                Poll::Pending => {
                    return self.client.poll_broken(cx).map(|()| Ending::Over(End::Reset(Side::Client)));
                }
            }
        }
        self.poll_relay(cx).map(Ending::Over)
    }

    /// Whether it has been idle for so long that it makes room for somebody who waits.
    fn gives_way(&self) -> bool {
        matches!(&self.stage, Stage::Relaying(_, link) if link.is_wanted() && link.gives_way())
    }

    fn reached(&mut self, link: OwnLink) {
        let version = self.tunnel.route.borrow().group.settings.proxy_protocol;
        let told = self.told.take();
        let first = version.map_or_else(Vec::new, |version| {
            header::of(version, self.tunnel.source, told.as_deref(), self.client.local_address())
        });
        self.tunnel.open();
        self.stage = Stage::Relaying(Relay::new(&first, &[]), link);
    }

    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Stage::Relaying(relay, link) = &mut self.stage else { return Poll::Pending };
        let between = between(&self.tunnel, &self.client, link);
        let end = relay.poll_gently(cx, &between);
        if between.asked.get() || between.answered.get() {
            link.moved();
        }
        self.tunnel.moved(between.asked.get(), between.answered.get());
        if end.is_pending() {
            self.tunnel.look_at(relay.look_at(self.tunnel.hall.turn.now()));
        }
        end
    }
}

fn between<'a>(tunnel: &'a Tunnel, client: &'a Socket, link: &'a OwnLink) -> Between<'a> {
    Between {
        turn: &tunnel.hall.turn,
        pipes: &tunnel.hall.pipes,
        client,
        client_cells: &tunnel.hall.cells,
        member: &link.socket,
        member_cells: link.cells(),
        splice: tunnel.route.borrow().listener.tunnel.splice,
        asked: false.into(),
        answered: false.into(),
        delivered: Default::default(),
    }
}

/// A link to the member that the client's source meets; where that does not answer, to the next that does.
async fn reach(tunnel: Rc<Tunnel>) -> Result<OwnLink, Cause> {
    let mut failure = None;
    let mut tries = 0;
    loop {
        let group = tunnel.route.borrow().group.clone();
        if tries > group.members.len() {
            break;
        }
        tries += 1;
        let member = tunnel.tie.borrow_mut().choose(&group, tunnel.source.ip(), &tunnel.hall.sources);
        let Some(member) = member else { break };
        if failure.is_some() {
            group.cells.retries[RetryReason::Connect][RetryResult::Ok].inc();
        }
        match member.way.reach(tunnel.source.ip()).await {
            Err(cause) if cause.is_of_member() => failure = Some(cause),
            Err(Cause::NoMember) if member.way.is_retired() && tunnel.take_route() => tries = 0,
            reached => return reached,
        }
    }
    Err(failure.unwrap_or(Cause::NoMember))
}
