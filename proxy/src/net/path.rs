//! Handles the file of a Unix socket, and removes it only while it is the file that this process made.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a socket that is bound to a path. While the socket is open, no other file has its inode
/// number.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: Arc<Path>,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Returns the socket file at a path, if there is one.
    #[must_use]
    pub(crate) fn at(path: &Arc<Path>) -> Option<Self> {
        let found = std::fs::symlink_metadata(path).ok().filter(|found| found.file_type().is_socket())?;
        Some(Self { path: path.clone(), device: found.dev(), inode: found.ino() })
    }

    /// Returns whether this file is still at its path.
    fn is_there(&self) -> bool {
        Self::at(&self.path).is_some_and(|now| (now.device, now.inode) == (self.device, self.inode))
    }

    /// Returns whether nobody accepts on the socket any more, because its owner ended without removing the
    /// file.
    pub(super) fn is_left_behind(&self) -> bool {
        let Ok(address) = SockAddr::unix(&self.path) else { return false };
        let refused = |probe: Socket| {
            probe.connect(&address).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
        };
        // Only a refused connect proves that nobody listens; every other error leaves the file alone.
        self.is_there() && Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).is_ok_and(refused)
    }

    /// Removes the file, unless another one has replaced it.
    pub(crate) fn remove(&self) {
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path); // fails only if it is gone already
        }
    }
}
