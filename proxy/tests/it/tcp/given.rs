//! A member whose connections the test plays itself, and a proxy in front of it: most tests stand on them.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};

/// A listener that speaks TCP; the rest is the default.
pub(crate) fn tcp() -> Setup {
    Setup::new().listener("protocol: tcp")
}

/// A member whose connections are taken one by one, by the test.
pub(crate) struct Member {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Member {
    pub(crate) fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into())
    }

    /// One at this address, as soon as that can be bound.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let mut bound = None;
        eventually("the address can be bound", || {
            bound = TcpListener::bind(address).ok();
            bound.is_some()
        });
        Self::of(bound.unwrap())
    }

    fn of(listener: TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    pub(crate) fn named(&self, name: &str) -> (String, SocketAddr) {
        (name.to_owned(), self.address)
    }

    /// The next connection that comes.
    #[track_caller]
    pub(crate) fn next(&self) -> Wire {
        let mut next = None;
        eventually("a connection came to the member", || {
            next = self.waiting();
            next.is_some()
        });
        next.unwrap()
    }

    /// The connection that has come and was not taken yet, if one has.
    pub(crate) fn waiting(&self) -> Option<Wire> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                Some(Wire::new(stream))
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => None,
            Err(e) => panic!("{e}"),
        }
    }
}

/// An address that answers no SYN: its accept queue is full, and stays so while this lives.
pub(crate) struct Full {
    listener: TcpListener,
    queued: Vec<TcpStream>,
}

impl Full {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let try_one = || TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
        let queued = std::iter::from_fn(try_one).take(10).collect::<Vec<_>>();
        assert!(queued.len() < 10, "the queue is never full");
        Self { listener, queued }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// From now on it answers.
    pub(crate) fn empty(self) -> Member {
        let member = Member::of(self.listener);
        self.queued.iter().for_each(|_| drop(member.next()));
        member
    }
}

/// Members of these names.
pub(crate) fn members<const N: usize>(names: [&str; N]) -> ([Member; N], Vec<(String, SocketAddr)>) {
    let members = names.map(|_| Member::start());
    let named = members.iter().zip(names).map(|(member, name)| member.named(name)).collect();
    (members, named)
}

/// The member that got the next connection, by its place, and the link it got.
#[track_caller]
pub(crate) fn next_of(members: &[Member]) -> (usize, Wire) {
    let mut next = None;
    eventually("a connection came to a member", || {
        next = members.iter().enumerate().find_map(|(i, member)| Some((i, member.waiting()?)));
        next.is_some()
    });
    next.unwrap()
}

/// Ended by a reset, with nothing before it.
#[track_caller]
pub(crate) fn is_reset(wire: &mut Wire) {
    let (rest, reset) = wire.rest_and_reset();
    assert_eq!((String::from_utf8_lossy(&rest), reset), ("".into(), true));
}

/// A proxy and the one member behind it.
pub(crate) fn stand(setup: &Setup) -> (Proxy, Member) {
    let member = Member::start();
    (setup.before_one(member.address), member)
}

/// A client, and the link it has for itself.
#[track_caller]
pub(crate) fn pair(proxy: &Proxy, member: &Member) -> (Wire, Wire) {
    let client = proxy.client();
    (client, member.next())
}

/// What `from` says arrives at `to`, and nothing before it.
#[track_caller]
pub(crate) fn says(from: &mut Wire, what: &str, to: &mut Wire) {
    from.send(what);
    assert_eq!(String::from_utf8(to.take(what.len())).unwrap(), what);
}

/// Both directions work.
#[track_caller]
pub(crate) fn are_one(client: &mut Wire, link: &mut Wire) {
    says(client, "from the client", link);
    says(link, "from the member", client);
}

/// Ends a tunnel in order, and waits until its place is free.
pub(crate) fn end(proxy: &Proxy, (client, link): (Wire, Wire)) {
    let open = || proxy.sum("penstock_client_connections");
    let before = open();
    drop(client);
    drop(link);
    eventually("it has ended", || open() < before);
}
