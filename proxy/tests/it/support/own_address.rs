//! A loopback address that nobody else has, at which nobody listens until a test says so.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// An address at which a program may listen: the port is the kernel's choice, and as the IP address is nobody
/// else's, the port stays free until the program takes it.
pub(crate) fn own_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let [.., high, low] = process.to_be_bytes();
    let own = Ipv4Addr::new(127, 100 + (number / 250 % 100) as u8, high ^ low, (1 + number % 250) as u8);
    TcpListener::bind((own, 0)).unwrap().local_addr().unwrap()
}
