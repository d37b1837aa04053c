//! Reads the PROXY header that a trusted proxy sends first, and takes the client's address from it.
//!
//! All bytes behind the header stay unread in the socket.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::event_loop::{
    Contained, EventLoop, Nanos, PanicSite, Registered, may_panic, store_waker, timeout, wake,
};
use crate::frontend::{Incoming, ProxyInfo};
use crate::metrics::{ClientReject, ListenerCells};
use crate::net::{Peeked, Socket};
use crate::proto::proxy::{Header, LONGEST, ParsedHeader, parse};

/// Waits for the header, and returns the incoming connection as the one that it names. A connection that sends none in time, or
/// something else, is refused and counted; a drain waits for nobody.
pub(super) async fn read_proxy_header(
    event_loop: &EventLoop,
    in_time: Duration,
    cells: &ListenerCells,
    mut incoming: Incoming<Socket>,
) -> Option<Incoming<Socket>> {
    let drain = Rc::new(DrainNotice::default());
    let key = event_loop.register(drain.clone());
    let reading = timeout(in_time, read(&mut incoming, &drain));
    let header = event_loop.contain_task(PanicSite::Listener, reading).await;
    event_loop.unregister(key);
    let reject = match header {
        _ if event_loop.draining() && header.is_some() => ClientReject::Draining,
        Some(Ok(Some(len))) => {
            cells.received_bytes.add(len as u64);
            return Some(incoming);
        }
        // What is no header is answered by a reset; after a panic nobody knows what was read.
        Some(_) => {
            incoming.stream.abort_on_drop();
            ClientReject::ProxyHeader
        }
        None => ClientReject::ProxyHeader,
    };
    cells.rejected[reject].inc();
    None
}

/// Looks until the header is whole, then takes it and no byte more. Tells its length.
async fn read(incoming: &mut Incoming<Socket>, drain: &DrainNotice) -> Option<usize> {
    let mut seen = vec![0; LONGEST];
    let whole = poll_fn(|cx| {
        store_waker(&mut drain.waker.borrow_mut(), cx.waker());
        may_panic("preface.read");
        if drain.began.get() {
            return Poll::Ready(None);
        }
        incoming.stream.poll_until(cx, &mut seen, judge).map(|verdict| verdict.ok()?.ok())
    });
    let len = whole.await?;
    incoming.stream.recv(&mut seen[..len]).ok().filter(|taken| *taken == len)?;
    let Ok(ParsedHeader::Header { header, .. }) = parse(&seen[..len]) else { return None };
    believe(incoming, &header);
    Some(len)
}

/// What tells somebody who has not said yet who it is that there is no time left for that.
#[derive(Default)]
struct DrainNotice {
    began: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Contained for DrainNotice {
    fn site(&self) -> PanicSite {
        PanicSite::Listener
    }

    fn panicked(&self) {}
}

impl Registered for DrainNotice {
    fn on_timer(&self, _now: Nanos) -> Option<Nanos> {
        None
    }

    fn on_drain(&self) {
        self.began.set(true);
        wake(&self.waker.borrow());
    }

    fn on_reconfigure(&self) {}

    fn on_kill(&self) {
        self.on_drain();
    }
}

/// The length of the header, once it is whole.
fn judge(sight: Peeked, seen: &[u8]) -> Option<Result<usize, ()>> {
    match sight {
        Peeked::Quiet => None,
        Peeked::Ended | Peeked::Broken => Some(Err(())),
        Peeked::Bytes(n) => match parse(&seen[..n]) {
            Ok(ParsedHeader::Partial) => None,
            Ok(ParsedHeader::Header { len, .. }) => Some(Ok(len)),
            Err(_) => Some(Err(())),
        },
    }
}

/// What is only about the connection to us (LOCAL, UNKNOWN) leaves the source as it is.
fn believe(incoming: &mut Incoming<Socket>, header: &Header<'_>) {
    let tlvs = &header.tlvs;
    incoming.proxy_info = Some(Box::new(ProxyInfo {
        destination: header.addresses.map(|addresses| addresses.destination),
        authority: tlvs.authority().map(Into::into),
        unique_id: tlvs.unique_id().map(Into::into),
    }));
    if let Some(addresses) = header.addresses {
        incoming.source = addresses.source;
    }
}
