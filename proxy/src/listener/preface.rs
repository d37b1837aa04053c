//! The PROXY header that a trusted proxy sends before all else: it says who the client is.
//! In: a connection. Out: the same with its true source, and all bytes behind the header still unread.
//! Knows nothing of what follows.

use std::future::poll_fn;

use crate::hall::{Guest, Told};
use crate::metrics::ClientReject;
use crate::net::Sight;
use crate::proto::proxy::{Header, LONGEST, Parsed, parse};

use super::Door;

/// Waits for the header, and lets the guest in as the one whom it names. Who sends none in time, or something
/// else, is refused.
pub(super) async fn introduce(door: Door, mut guest: Guest) {
    let in_time = door.listener().timeouts.head;
    let told = tokio::time::timeout(in_time, read(&mut guest)).await;
    if !matches!(told, Ok(Some(()))) {
        guest.socket.abort_on_drop();
        return door.cells().rejected[ClientReject::ProxyHeader].inc();
    }
    if door.turn().draining() {
        return door.cells().rejected[ClientReject::Draining].inc();
    }
    door.admit(guest);
}

/// Looks until the header is whole, then takes it and no byte more.
async fn read(guest: &mut Guest) -> Option<()> {
    let mut seen = vec![0; LONGEST];
    let whole = poll_fn(|cx| guest.socket.poll_until(cx, &mut seen, judge)).await.ok()?;
    let len = whole.ok()?;
    guest.socket.recv(&mut seen[..len]).ok().filter(|taken| *taken == len)?;
    let Ok(Parsed::Header { header, .. }) = parse(&seen[..len]) else { return None };
    believe(guest, &header);
    Some(())
}

/// The length of the header, once it is whole.
fn judge(sight: Sight, seen: &[u8]) -> Option<Result<usize, ()>> {
    match sight {
        Sight::Quiet => None,
        Sight::Ended | Sight::Broken => Some(Err(())),
        Sight::Bytes(n) => match parse(&seen[..n]) {
            Ok(Parsed::Partial) => None,
            Ok(Parsed::Header { len, .. }) => Some(Ok(len)),
            Err(_) => Some(Err(())),
        },
    }
}

/// What is only about the connection to us (LOCAL, UNKNOWN) leaves the source as it is.
fn believe(guest: &mut Guest, header: &Header<'_>) {
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
