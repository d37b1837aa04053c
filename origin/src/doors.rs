//! Binds the listening sockets of an origin, each with its protocol.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::Socket;

use crate::options::{Address, Options, Speaks};
use crate::service::Service;
use crate::sockets;

/// The receive buffer of a slow reader's socket in bytes, which the kernel doubles. It is small, so that the
/// sender notices soon, and not smaller, because loopback segments of 64 KiB would then stall on probes.
const SMALL_BUFFER: usize = 16 * 1024;

/// One listening socket.
pub(crate) struct Door {
    pub(crate) member: String,
    pub(crate) address: Address,
    pub(crate) socket: Socket,
    pub(crate) manner: Manner,
    /// The service that limits its work.
    pub(crate) service: Arc<Service>,
}

/// The protocol for clients of a socket.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) speaks: Speaks,
    /// Whether each connection begins with a PROXY header.
    pub(crate) header: bool,
}

impl Manner {
    /// Returns whether clients speak HTTP without a header and without an entry in the register.
    pub(crate) fn is_plain(self) -> bool {
        self.speaks == Speaks::Http && !self.header
    }
}

/// All listening sockets: those of the members, then the one for the counters.
pub(crate) struct Bound {
    pub(crate) doors: Vec<Door>,
    pub(crate) members: usize,
    pub(crate) files: Vec<SocketFile>,
}

/// Binds all sockets, or none if one fails.
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

/// Removes a socket file on which nobody accepts, as an end without clean-up leaves it. Any other file stays,
/// and binding reports it.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && sockets::is_deserted(path)? { fs::remove_file(path) } else { Ok(()) }
}

/// The file of a Unix socket. It is removed when this is dropped, unless another file has replaced it.
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
            // Fails only if the file is gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns device and inode, which no other file can have while the socket is bound.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
