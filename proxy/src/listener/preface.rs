//! The PROXY header that a trusted proxy sends before all else: it says who the client is.
//! In: a connection. Out: the same with its true source, and all bytes behind the header still unread.
//! Knows nothing of what follows.

use std::future::poll_fn;

use crate::hall::{Guest, Told};
use crate::metrics::ClientReject;
use crate::net::{Sight, Socket};
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
    let mut seen = [0; LONGEST];
    loop {
        let Sight::Bytes(n) = poll_fn(|cx| guest.socket.poll_look(cx, &mut seen)).await.ok()? else {
            continue;
        };
        match parse(&seen[..n]).ok()? {
            Parsed::Partial => {}
            Parsed::Header { len, header } => {
                believe(guest, &header);
                return skip(&guest.socket, len).await;
            }
        }
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

/// Reads what has been looked at.
async fn skip(socket: &Socket, len: usize) -> Option<()> {
    let mut rest = [0; LONGEST];
    let mut left = len;
    while left > 0 {
        match socket.try_recv(&mut rest[..left]) {
            Ok(n) if n > 0 => left -= n,
            _ => return None,
        }
    }
    Some(())
}
