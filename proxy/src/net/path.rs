//! The file of a Unix socket. It is removed only while it is still the one that this process made.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a socket that is bound to a path. While the socket is open no other file has this number.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: Arc<Path>,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// The socket that is found at a path now, if what is there is one.
    #[must_use]
    pub(crate) fn at(path: &Arc<Path>) -> Option<Self> {
        let found = std::fs::symlink_metadata(path).ok().filter(|found| found.file_type().is_socket())?;
        Some(Self { path: path.clone(), device: found.dev(), inode: found.ino() })
    }

    /// Whether it is still what is found at its path.
    fn is_there(&self) -> bool {
        Self::at(&self.path).is_some_and(|now| (now.device, now.inode) == (self.device, self.inode))
    }

    /// Whether nobody accepts on it any more: whoever bound it has ended without removing it.
    pub(super) fn is_left_behind(&self) -> bool {
        let Ok(address) = SockAddr::unix(&self.path) else { return false };
        let refused = |probe: Socket| {
            probe.connect(&address).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused)
        };
        self.is_there() && Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).is_ok_and(refused)
    }

    /// Removes it, unless another has taken its place.
    pub(crate) fn remove(&self) {
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path); // if somebody else did so, all the better
        }
    }
}
