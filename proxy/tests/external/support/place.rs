//! A place for a program: a directory that goes with its test, and a loopback address that nobody else has.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::child::{Child, User};

#[path = "../../it/support/own_address.rs"]
mod own_address;

pub(crate) use own_address::own_address;

/// A new directory; it is gone when this is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")), name)
    }

    /// One that this user owns and can get to.
    pub(crate) fn of(user: Option<User>, name: &str) -> Self {
        let Some(user) = user else { return Self::new(name) };
        let usual = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let parents = [usual, std::env::temp_dir()];
        let parent =
            parents.iter().find(|parent| can_enter(user, parent)).expect("a directory for all users");
        let directory = Self::within(parent, name);
        std::os::unix::fs::chown(directory.path(), Some(user.uid), Some(user.gid)).unwrap();
        directory
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file into it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn within(parent: &Path, name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("real-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind is below target/tmp, where it does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until the program listens there; no connection is made, for some would count it.
#[track_caller]
pub(crate) fn until_it_listens(child: &mut Child, at: SocketAddr) {
    for _ in 0..6000 {
        if is_listening(at) {
            return;
        }
        assert!(child.runs(), "it ended before it listened at {at}:\n{}", child.said());
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never listened at {at}:\n{}", child.said());
}

/// A client from this source.
#[track_caller]
pub(crate) fn connect_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap_or_else(|error| panic!("{to}: {error}"));
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket.into()
}

/// Waits until it holds, which has to be soon.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never came true: {what}");
}

/// Looks the address up among the sockets of the system that listen (`0A`).
fn is_listening(at: SocketAddr) -> bool {
    let SocketAddr::V4(at) = at else { panic!("{at} is not IPv4") };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(at.ip().octets()), at.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    sockets.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&local) && words.nth(1) == Some("0A")
    })
}

fn can_enter(user: User, directory: &Path) -> bool {
    let User { uid, gid } = user;
    let mut test = Command::new("setpriv");
    test.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    test.args(["--", "test", "-x"]).arg(directory).status().unwrap().success()
}
