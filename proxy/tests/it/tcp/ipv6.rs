//! Tunnels over IPv6, and what PROXY headers say of them.
//!
//! The tests say so where the machine has no IPv6.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use crate::support::wire::Wire;
use crate::tcp::given::{Member, tcp};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

#[test]
fn a_tunnel_over_ipv6_tells_its_client_in_version_1() {
    if TcpListener::bind(ANY_PORT).is_err() {
        return println!("SKIPPED: this machine has no [::1]");
    }
    let member = Member::at(ANY_PORT);
    let setup = tcp().listener("bind: \"[::1]:0\"").backend("proxy_protocol: v1");
    let proxy = setup.before_one(member.address);
    let stream = TcpStream::connect(proxy.address()).unwrap();
    let (from, to) = (stream.local_addr().unwrap().port(), proxy.address().port());
    let mut client = Wire::new(stream);
    let mut carried = member.next();
    let header = format!("PROXY TCP6 ::1 ::1 {from} {to}\r\n");
    assert_eq!(carried.take(header.len()), header.as_bytes());
    client.send("up");
    assert_eq!(carried.take(2), b"up");
    carried.send("down");
    assert_eq!(client.take(4), b"down");
}
