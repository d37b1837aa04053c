//! Starts a proxy in front of its origin.

use std::net::SocketAddr;

use penstock_bench::Plan;

use super::origin::Origin;
use super::peer::{Found, Peer};
use super::record::{Parties, Record};
use super::setup::Setup;
use crate::failure::Failure;
use crate::places::Places;
use crate::program::{Folder, Program};
use crate::sockets;

/// A proxy that runs in front of its origin, or the origin alone.
pub(crate) struct Running {
    name: &'static str,
    /// Before the origin, because it ends first.
    proxy: Option<Program>,
    pub(crate) origin: Origin,
    pub(crate) address: SocketAddr,
    pub(crate) places: Places,
    _folder: Folder,
}

impl Running {
    /// Takes an origin to which a load goes directly.
    pub(crate) fn direct(origin: Origin, places: Places, folder: Folder) -> Self {
        Self {
            name: Peer::Direct.name(),
            proxy: None,
            address: origin.members[0],
            origin,
            places,
            _folder: folder,
        }
    }

    /// Starts a proxy with this setup, and waits until it listens.
    pub(crate) fn behind(
        found: &Found,
        setup: &Setup,
        origin: Origin,
        places: Places,
        folder: Folder,
    ) -> Result<Self, Failure> {
        let name = found.peer.name();
        let command = setup.command(found, &folder)?;
        let ready = || sockets::is_listening(setup.listen.port());
        let proxy = Program::start(name, command, &places.proxy, &folder, &ready)?;
        Ok(Self { name, proxy: Some(proxy), address: setup.listen, origin, places, _folder: folder })
    }

    /// Measures one window of a load on it. The latencies are those of `class`, if it is given.
    pub(crate) fn measure(&mut self, plan: &Plan, class: Option<&str>) -> Result<Record, Failure> {
        let parties = Parties {
            proxy: self.proxy.as_ref(),
            origin: &self.origin.program,
            places: &self.places,
            ports: self.origin.ports(),
        };
        let record = Record::measure(plan, class, &parties)?;
        if self.proxy.as_mut().is_some_and(|proxy| !proxy.is_alive()) {
            return Err(Failure::Server(format!("{} ended during the load", self.name)));
        }
        match record.answered {
            0 => Err(Failure::Server(record.first_error.unwrap_or_else(|| "no answer came".to_owned()))),
            _ => Ok(record),
        }
    }
}
