//! Reads the PROXY header that a trusted proxy sends first, and takes the client's address from it.
//!
//! All bytes behind the header stay unread in the socket.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::hall::{Guest, Told};
use crate::metrics::ClientReject;
use crate::net::{Peeked, Socket};
use crate::proto::proxy::{Header, LONGEST, Parsed, parse};
use crate::turn::{Contained, Nanos, Resident, Site, keep, may_panic, timeout, wake};

use super::Door;

/// Waits for the header, and lets the guest in as the one whom it names. Who sends none in time, or something
/// else, is refused; a drain waits for nobody.
pub(super) async fn introduce(door: Door, mut guest: Guest<Socket>) {
    let in_time = door.listener().timeouts.head;
    let drain = Rc::new(Drain::default());
    let key = door.turn().admit(drain.clone());
    let reading = timeout(in_time, read(&mut guest, &drain));
    let header = door.turn().contain_task(Site::Listener, reading).await;
    door.turn().dismiss(key);
    let Some(header) = header else { return door.cells().rejected[ClientReject::ProxyHeader].inc() };
    if door.turn().draining() {
        return door.cells().rejected[ClientReject::Draining].inc();
    }
    let Ok(Some(len)) = header else {
        guest.stream.abort_on_drop();
        return door.cells().rejected[ClientReject::ProxyHeader].inc();
    };
    door.cells().received_bytes.add(len as u64);
    let turn = door.turn();
    turn.contain(Site::Listener, || door.admit(guest.plain()));
}

/// Looks until the header is whole, then takes it and no byte more. Tells its length.
async fn read(guest: &mut Guest<Socket>, drain: &Drain) -> Option<usize> {
    let mut seen = vec![0; LONGEST];
    let whole = poll_fn(|cx| {
        keep(&drain.waker, cx.waker());
        may_panic("preface.read");
        if drain.began.get() {
            return Poll::Ready(None);
        }
        guest.stream.poll_until(cx, &mut seen, judge).map(|verdict| verdict.ok()?.ok())
    });
    let len = whole.await?;
    guest.stream.recv(&mut seen[..len]).ok().filter(|taken| *taken == len)?;
    let Ok(Parsed::Header { header, .. }) = parse(&seen[..len]) else { return None };
    believe(guest, &header);
    Some(len)
}

/// What tells somebody who has not said yet who it is that there is no time left for that.
#[derive(Default)]
struct Drain {
    began: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Contained for Drain {
    fn site(&self) -> Site {
        Site::Listener
    }

    fn panicked(&self) {}
}

impl Resident for Drain {
    fn look(&self, _now: Nanos) -> Option<Nanos> {
        None
    }

    fn drain(&self) {
        self.began.set(true);
        wake(&self.waker.borrow());
    }

    fn reconsider(&self) {}

    fn kill(&self) {
        self.drain();
    }
}

/// The length of the header, once it is whole.
fn judge(sight: Peeked, seen: &[u8]) -> Option<Result<usize, ()>> {
    match sight {
        Peeked::Quiet => None,
        Peeked::Ended | Peeked::Broken => Some(Err(())),
        Peeked::Bytes(n) => match parse(&seen[..n]) {
            Ok(Parsed::Partial) => None,
            Ok(Parsed::Header { len, .. }) => Some(Ok(len)),
            Err(_) => Some(Err(())),
        },
    }
}

/// What is only about the connection to us (LOCAL, UNKNOWN) leaves the source as it is.
fn believe(guest: &mut Guest<Socket>, header: &Header<'_>) {
    let tlvs = &header.tlvs;
    guest.told = Some(Box::new(Told {
        destination: header.addresses.map(|addresses| addresses.destination),
        authority: tlvs.authority().map(Into::into),
        unique_id: tlvs.unique_id().map(Into::into),
    }));
    if let Some(addresses) = header.addresses {
        guest.source = addresses.source;
    }
}
