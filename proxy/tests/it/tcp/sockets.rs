//! The sockets have the options of the configuration, and links come from the addresses that are named.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::Socket;

use crate::support::stand::Proxy;
use crate::support::wire::Wire;
use crate::tcp::given::{Member, are_one, is_reset, pair, stand, tcp};

/// The proxy runs in this process, so that its sockets can be had: the one with these two ends.
fn ours(local: SocketAddr, other: SocketAddr) -> Socket {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let numbers = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse().ok());
    let sockets = numbers.filter_map(|fd: i32| pidfd_getfd(&own, fd, PidfdGetfdFlags::empty()).ok());
    let is_it = |socket: &Socket| {
        let ends = (socket.local_addr().ok(), socket.peer_addr().ok());
        ends.0.and_then(|a| a.as_socket()) == Some(local) && ends.1.and_then(|a| a.as_socket()) == Some(other)
    };
    let found = sockets.map(|fd: OwnedFd| Socket::from(fd)).find(is_it);
    found.unwrap_or_else(|| panic!("no socket from {local} to {other}"))
}

/// The proxy's two sockets for this client and its link.
fn both(client: &Wire, link: &Wire) -> [Socket; 2] {
    let of = |wire: &Wire| ours(wire.stream.peer_addr().unwrap(), wire.stream.local_addr().unwrap());
    [of(client), of(link)]
}

#[test]
fn the_options_of_both_sides_are_set() {
    let options = "socket: { nodelay: NODELAY, keepalive: 77s, user_timeout: 12345ms, send_buffer: 50000, \
                   receive_buffer: 60000, tos: 16, congestion: reno }";
    for nodelay in [true, false] {
        let options = options.replace("NODELAY", &nodelay.to_string());
        let (proxy, member) = stand(&tcp().listener(&options).backend(&options));
        let (mut client, mut link) = pair(&proxy, &member);
        are_one(&mut client, &mut link);
        for socket in both(&client, &link) {
            assert_eq!(socket.tcp_nodelay().unwrap(), nodelay);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(12_345)));
            assert_eq!(socket.tos_v4().unwrap(), 16);
            assert!(socket.tcp_congestion().unwrap().starts_with(b"reno"));
            // The kernel doubles what it is told (socket(7)).
            assert_eq!(socket.send_buffer_size().unwrap(), 100_000);
            assert_eq!(socket.recv_buffer_size().unwrap(), 120_000);
        }
    }
}

#[test]
fn without_options_sockets_are_as_the_kernel_makes_them() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
    for socket in both(&client, &link) {
        assert!(socket.tcp_nodelay().unwrap(), "which is ours");
        assert!(!socket.keepalive().unwrap());
        assert_eq!((socket.tcp_user_timeout().unwrap(), socket.tos_v4().unwrap()), (None, 0));
        assert_eq!(socket.mark().unwrap(), 0);
    }
}

/// A socket stays what it is at a reload; what it accepts from then on has other options.
#[test]
fn the_options_of_a_listener_change_at_a_reload() {
    let member = Member::start();
    let text = |options: &str| tcp().listener(options).text(&[member.named("a")]);
    let mut proxy = Proxy::run(&text("socket: { nodelay: false }"));
    let bind = proxy.address();
    let options = "socket: { nodelay: true, keepalive: 77s, user_timeout: 12345ms, tos: 16, congestion: reno, \
                   send_buffer: 50000, receive_buffer: 60000 }";
    let usual = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let usual = usual.tcp_congestion().unwrap();
    for name in ["web:", "front:", "web:"] {
        let renamed = |options: &str| text(options).replace("web:", name);
        let address = |proxy: &Proxy| proxy.running().address(name.trim_end_matches(':')).unwrap();
        let socket = |proxy: &Proxy| {
            let (mut client, mut link) = (Wire::connect(address(proxy)), member.next());
            are_one(&mut client, &mut link);
            both(&client, &link).into_iter().next().unwrap()
        };
        proxy.reload(&renamed(options)).unwrap();
        assert_eq!(address(&proxy), bind);
        let set = socket(&proxy);
        assert!(set.tcp_nodelay().unwrap() && set.keepalive().unwrap());
        assert_eq!(set.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
        assert_eq!(set.tcp_user_timeout().unwrap(), Some(Duration::from_millis(12_345)));
        assert_eq!(set.tos_v4().unwrap(), 16);
        assert!(set.tcp_congestion().unwrap().starts_with(b"reno"));
        assert_eq!((set.send_buffer_size().unwrap(), set.recv_buffer_size().unwrap()), (100_000, 120_000));
        proxy.reload(&renamed("socket: { nodelay: false, receive_buffer: 70000 }")).unwrap();
        let unset = socket(&proxy);
        assert!(!unset.tcp_nodelay().unwrap() && !unset.keepalive().unwrap());
        assert_eq!((unset.tcp_user_timeout().unwrap(), unset.tos_v4().unwrap()), (None, 0));
        assert_eq!(
            (unset.tcp_congestion().unwrap(), unset.recv_buffer_size().unwrap()),
            (usual.clone(), 140_000)
        );
    }
}

#[test]
fn sockets_are_marked_where_that_is_allowed() {
    let probe = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    if probe.set_mark(7).is_err() {
        return println!("SKIPPED: no CAP_NET_ADMIN, so no socket can be marked");
    }
    let marked = |mark: u32| format!("socket: {{ mark: {mark} }}");
    let (proxy, member) = stand(&tcp().listener(&marked(41)).backend(&marked(42)));
    let (client, link) = pair(&proxy, &member);
    let [accepted, connected] = both(&client, &link);
    assert_eq!(connected.mark().unwrap(), 42);
    assert_eq!(accepted.mark().unwrap(), 41);
}

#[test]
fn links_come_from_the_named_addresses_in_turn() {
    let setup = tcp().workers(1).backend("source_addresses: [127.70.0.9, 127.70.0.10, 127.70.0.11]");
    let (proxy, member) = stand(&setup);
    let from: Vec<_> = (0..9).map(|_| source(&pair(&proxy, &member).1)).collect();
    let turn = ["127.70.0.9", "127.70.0.10", "127.70.0.11"].map(|a| a.parse::<IpAddr>().unwrap());
    assert_eq!(from, turn.repeat(3));
}

fn source(link: &Wire) -> IpAddr {
    link.stream.peer_addr().unwrap().ip()
}

/// An address that is not ours (and nobody has this one, RFC 1112 section 4) is refused as one without a free
/// port is.
#[test]
fn an_address_without_a_port_is_passed_over() {
    let (proxy, member) = stand(&tcp().workers(1).backend("source_addresses: [240.0.0.1, 127.71.0.9]"));
    for _ in 0..6 {
        let (mut client, mut link) = pair(&proxy, &member);
        assert_eq!(source(&link), "127.71.0.9".parse::<IpAddr>().unwrap());
        are_one(&mut client, &mut link);
    }
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
    assert_eq!(proxy.sum("penstock_backend_connect_errors_total"), 0);
}

#[test]
fn where_no_address_has_a_port_it_is_not_the_members_fault() {
    let (proxy, member) = stand(&tcp().workers(1).backend("source_addresses: [240.0.0.1, 240.0.0.2]"));
    for i in 1..=3 {
        is_reset(&mut proxy.client());
        assert_eq!(proxy.errors("connect_no_port"), i);
    }
    let errors = proxy.sum_of("penstock_backend_connect_errors_total", &["cause=\"no_port\""]);
    assert_eq!(errors, 3);
    assert_eq!(proxy.sum_of("penstock_member_state", &["state=\"up\""]), 1);
    assert_eq!(proxy.sum("penstock_retries_total"), 0);
    assert!(member.waiting().is_none());
}
