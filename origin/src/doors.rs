//! The doors of an origin: every socket it listens on, and what is spoken behind it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::Socket;

use crate::options::{Address, Options, Speaks};
use crate::service::Service;
use crate::sockets;

/// How much a slow reader's socket takes in before it is read, in bytes; the kernel doubles it. Small, so that
/// the other side feels it soon; not smaller, because then loopback's segments of 64 KiB stall on probes.
const SMALL_BUFFER: usize = 16 * 1024;

/// One listening socket.
pub(crate) struct Door {
    pub(crate) member: String,
    pub(crate) address: Address,
    pub(crate) socket: Socket,
    pub(crate) manner: Manner,
    /// How what is asked there is worked at.
    pub(crate) service: Arc<Service>,
}

/// How the clients that come through a door are met.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) speaks: Speaks,
    /// A PROXY header comes first.
    pub(crate) header: bool,
}

impl Manner {
    /// HTTP without ado: neither a header nor an entry in the register.
    pub(crate) fn is_plain(self) -> bool {
        self.speaks == Speaks::Http && !self.header
    }
}

/// All doors: those of the members, then the one for the counters.
pub(crate) struct Bound {
    pub(crate) doors: Vec<Door>,
    pub(crate) members: usize,
    pub(crate) files: Vec<SocketFile>,
}

/// Binds everything; what was bound is let go when one cannot be.
pub(crate) fn bind(options: &Options) -> io::Result<Bound> {
    let mut bound = Bound { doors: Vec::new(), members: 0, files: Vec::new() };
    let manner = Manner { speaks: options.speaks, header: options.proxy_protocol };
    let service = || Service::new(options.work, options.at_once);
    for (member, address) in &options.listen {
        bound.add(member, Address::Ip(*address), manner, service(), options.backlog)?;
    }
    for (member, path) in &options.unix {
        bound.add(member, Address::Unix(path.clone()), manner, service(), options.backlog)?;
    }
    bound.members = bound.doors.len();
    if let Some(address) = options.stats {
        let plain = Manner { speaks: Speaks::Http, header: false };
        bound.add("stats", Address::Ip(address), plain, Service::default(), options.backlog)?;
    }
    Ok(bound)
}

impl Bound {
    fn add(
        &mut self,
        member: &str,
        wanted: Address,
        manner: Manner,
        service: Service,
        backlog: u32,
    ) -> io::Result<()> {
        let buffer = matches!(manner.speaks, Speaks::SlowReader { .. }).then_some(SMALL_BUFFER);
        let listen = |address: &Address| -> io::Result<(Socket, Option<SocketFile>)> {
            let Address::Unix(path) = address else {
                return Ok((sockets::listen(address, backlog, buffer)?, None));
            };
            remove_stale(path)?;
            let socket = sockets::listen(address, backlog, buffer)?;
            Ok((socket, Some(SocketFile::at(path)?)))
        };
        let said = |error: io::Error| io::Error::new(error.kind(), format!("{member} on {wanted}: {error}"));
        let (socket, file) = listen(&wanted).map_err(said)?;
        let address = match socket.local_addr()?.as_socket() {
            Some(address) => Address::Ip(address),
            None => wanted,
        };
        self.files.extend(file);
        let service = Arc::new(service);
        self.doors.push(Door { member: member.to_owned(), address, socket, manner, service });
        Ok(())
    }
}

/// A socket on which nobody accepts is what an end without clean-up leaves behind. Anything else at the path
/// stays, and binding says so.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && sockets::is_deserted(path)? { fs::remove_file(path) } else { Ok(()) }
}

/// The file of a Unix socket; removed when this is dropped, if it is still the same.
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Somebody else has just removed it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode. No other file can have them while the socket is bound.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
