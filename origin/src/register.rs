//! The register of the last clients of a member, and of how many PROXY headers were good and bad.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::introduction::Wrong;

/// So many clients of each member are remembered.
const MOST: usize = 1000;

/// One client, as its connection and its PROXY header tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientStats {
    /// As the PROXY header says, and where it says nothing (or there is none) as the connection has it;
    /// none on a Unix socket.
    pub address: Option<SocketAddr>,
    /// Where the client thinks it is connected to, if a PROXY header says so.
    pub destination: Option<SocketAddr>,
    /// Version of the PROXY header, 1 or 2.
    pub header: Option<u8>,
    /// `PP2_TYPE_UNIQUE_ID` in hex digits.
    pub unique_id: Option<String>,
    /// `PP2_TYPE_AUTHORITY`; bytes that are not UTF-8 become replacement characters.
    pub authority: Option<String>,
}

#[derive(Default)]
struct Notes {
    clients: VecDeque<ClientStats>,
    /// What was wrong with the last bad header.
    problem: Option<Wrong>,
}

/// The clients of one member. Touched when a connection begins, never after.
#[derive(Default)]
pub(crate) struct Register {
    good: AtomicU64,
    bad: AtomicU64,
    notes: Mutex<Notes>,
}

impl Register {
    /// Counts its PROXY header as good, if it had one.
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

    /// Counts a PROXY header that was malformed, missing or cut off.
    pub(crate) fn turned_away(&self, wrong: Wrong) {
        self.bad.fetch_add(1, Relaxed);
        self.notes().problem = Some(wrong);
    }

    /// Good and bad PROXY headers, and what was wrong with the last bad one.
    pub(crate) fn headers(&self) -> (u64, u64, Option<Wrong>) {
        (self.good.load(Relaxed), self.bad.load(Relaxed), self.notes().problem)
    }

    pub(crate) fn clients(&self) -> Vec<ClientStats> {
        self.notes().clients.iter().cloned().collect()
    }

    /// The notes are consistent between any two statements, so a panic elsewhere has not spoilt them.
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
