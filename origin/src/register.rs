//! Remembers the last clients of a member, and counts valid and invalid PROXY headers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::introduction::Wrong;

/// The number of clients of each member that are remembered.
const MOST: usize = 1000;

/// A client, as described by its connection and its PROXY header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientStats {
    /// The client's address, from the PROXY header or else from the connection; `None` on a Unix socket.
    pub address: Option<SocketAddr>,
    /// The address that the client connected to, from the PROXY header.
    pub destination: Option<SocketAddr>,
    /// The version of the PROXY header, 1 or 2.
    pub header: Option<u8>,
    /// The value of `PP2_TYPE_UNIQUE_ID` in hex digits.
    pub unique_id: Option<String>,
    /// The value of `PP2_TYPE_AUTHORITY`. Bytes that are not UTF-8 become replacement characters.
    pub authority: Option<String>,
}

#[derive(Default)]
struct Notes {
    clients: VecDeque<ClientStats>,
    /// The fault in the last invalid header.
    problem: Option<Wrong>,
}

/// The clients of one member. It is used when a connection begins, and never after that.
#[derive(Default)]
pub(crate) struct Register {
    good: AtomicU64,
    bad: AtomicU64,
    notes: Mutex<Notes>,
}

impl Register {
    /// Records a client, and counts its PROXY header as valid if there was one.
    pub(crate) fn came(&self, client: ClientStats) {
        if client.header.is_some() {
            self.good.fetch_add(1, Relaxed);
        }
        let mut notes = self.notes();
        let clients = &mut notes.clients;
        if clients.len() == MOST {
            clients.pop_front();
        }
        clients.push_back(client);
    }

    /// Counts a PROXY header that was malformed, missing or incomplete.
    pub(crate) fn turned_away(&self, wrong: Wrong) {
        self.bad.fetch_add(1, Relaxed);
        self.notes().problem = Some(wrong);
    }

    /// Returns the numbers of valid and invalid PROXY headers, and the fault in the last invalid one.
    pub(crate) fn headers(&self) -> (u64, u64, Option<Wrong>) {
        (self.good.load(Relaxed), self.bad.load(Relaxed), self.notes().problem)
    }

    pub(crate) fn clients(&self) -> Vec<ClientStats> {
        self.notes().clients.iter().cloned().collect()
    }

    /// Locks the notes, which are consistent between any two statements, so that a panic elsewhere does no
    /// harm.
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_are_remembered_in_order() {
        let register = Register::default();
        for port in 1..=1500_u16 {
            let address = Some(SocketAddr::from(([127, 0, 0, 1], port)));
            register.came(ClientStats {
                address,
                header: (port % 3 == 0).then_some(2),
                ..Default::default()
            });
        }
        register.turned_away("reason");
        let ports: Vec<_> = register.clients().iter().map(|client| client.address.unwrap().port()).collect();
        assert_eq!(ports, (501..=1500).collect::<Vec<_>>());
        assert_eq!(register.headers(), (500, 1, Some("reason")));
    }
}
