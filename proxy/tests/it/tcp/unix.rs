//! Unix sockets, for listeners and for members: the same bytes, and paths that come and go with the proxy.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::headers::{LOCAL, take_v1, take_v2, v1};
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{PATIENCE, Wire, eventually, request};
use crate::tcp::given::{Member, are_one, is_reset, tcp};
use crate::tcp::stream::{Manner, read, write};

/// A short path for sockets (they may have 107 bytes), gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("penstock-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // what is left is small, and in a directory for such
    }
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn at(setup: Setup, path: &Path) -> Setup {
    setup.listener(&format!("bind: {}", unix(path)))
}

fn connect(path: &Path) -> UnixStream {
    patient(UnixStream::connect(path).unwrap())
}

fn patient(stream: UnixStream) -> UnixStream {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A member on a Unix socket.
struct UnixMember(UnixListener);

impl UnixMember {
    fn at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    #[track_caller]
    fn next(&self) -> UnixStream {
        let mut next = None;
        eventually("a connection came to the member", || {
            next = self.0.accept().ok();
            next.is_some()
        });
        patient(next.unwrap().0)
    }
}

fn takes(mut from: impl Read, what: &str) {
    let mut came = vec![0; what.len()];
    from.read_exact(&mut came).unwrap();
    assert_eq!(String::from_utf8(came).unwrap(), what);
}

fn rest(mut from: impl Read) -> Vec<u8> {
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).unwrap();
    rest
}

#[test]
fn a_client_of_a_unix_listener_is_carried_like_any_other() {
    let (folder, member) = (Folder::new(), Member::start());
    let path = folder.at("db.sock");
    let proxy = at(tcp(), &path).before_one(member.address);
    let (mut client, mut link) = (connect(&path), member.next());
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(link.rest(), b"question");
    link.send("answer").finish();
    assert_eq!(rest(&client), b"answer");
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    assert_eq!(s.sum_of("penstock_client_connections_closed_total", &["reason=\"client\""]), 1);
}

#[test]
fn a_member_on_a_unix_socket_is_served_like_any_other() {
    let folder = Folder::new();
    let member = UnixMember::at(&folder.at("app.sock"));
    let proxy = tcp().before(&[("a".to_owned(), unix(&folder.at("app.sock")))]);
    let (mut client, mut link) = (proxy.client(), member.next());
    link.write_all(b"220 banner").unwrap();
    assert_eq!(client.take(10), b"220 banner");
    client.send("question").finish();
    assert_eq!(rest(&link), b"question");
    link.write_all(b"answer").unwrap();
    drop(link);
    assert_eq!(client.rest(), b"answer");
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    assert_eq!(s.sum("penstock_backend_connections"), 0);
}

#[test]
fn streams_between_unix_sockets_are_exact_and_spliced() {
    let folder = Folder::new();
    let member = UnixMember::at(&folder.at("app.sock"));
    let path = folder.at("in.sock");
    let proxy = at(tcp(), &path).before(&[("a".to_owned(), unix(&folder.at("app.sock")))]);
    for (seed, manner) in [(0x5eed_0010, Manner::Fitful), (0x5eed_0020, Manner::Steady)] {
        println!("seed {seed:#x}");
        let length = 20_000_000;
        let (client, link) = (connect(&path), member.next());
        std::thread::scope(|scope| {
            for (stream, own, other) in [(&client, seed, seed + 1), (&link, seed + 1, seed)] {
                scope.spawn(move || {
                    write(stream, own, length, manner).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                });
                scope.spawn(move || assert_eq!(read(stream, other, manner), length));
            }
        });
    }
    let s = proxy.at_rest();
    assert!(s.sum("penstock_tunnel_spliced_bytes_total") > 0);
    assert_eq!(s.sum("penstock_client_received_bytes_total"), 40_000_000);
    assert_eq!(s.sum("penstock_client_sent_bytes_total"), 40_000_000);
}

#[test]
fn http_goes_through_unix_sockets_on_both_sides() {
    let folder = Folder::new();
    let path = folder.at("in.sock");
    let options = penstock_origin::Options {
        unix: vec![("a".to_owned(), folder.at("app.sock"))],
        ..penstock_origin::Options::default()
    };
    let _origin = penstock_origin::Origin::start(options).unwrap();
    let proxy = at(Setup::new(), &path).before(&[("a".to_owned(), unix(&folder.at("app.sock")))]);
    let mut client = connect(&path);
    for _ in 0..3 {
        client.write_all(request("GET", "/hello").as_bytes()).unwrap();
        takes(&client, "HTTP/1.1 200 OK\r\n");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = format!("HTTP/1.1 200 OK\r\n{}", String::from_utf8(head).unwrap());
        let length: usize = crate::support::wire::fields(&head, "content-length")[0].parse().unwrap();
        client.read_exact(&mut vec![0; length]).unwrap();
    }
    drop(client);
    let s = proxy.at_rest();
    assert_eq!(s.sum_of("penstock_requests_total", &["code=\"2xx\""]), 3);
    assert_eq!(s.sum("penstock_backend_connections_opened_total"), 1);
}

#[test]
fn a_path_is_there_while_its_listener_is() {
    let (folder, member) = (Folder::new(), Member::start());
    let (old, new) = (folder.at("old.sock"), folder.at("new.sock"));
    let text = |path| at(tcp(), path).text(&[member.named("a")]);
    let mut proxy = Proxy::run(&text(&old));
    let (mut client, mut link) = (connect(&old), member.next());
    proxy.reload(&text(&new)).unwrap();
    assert!(new.exists());
    eventually("the old one is gone", || !old.exists());
    let (_second, mut its_link) = (connect(&new), member.next());
    its_link.send("welcome");
    client.write_all(b"still here").unwrap();
    assert_eq!(link.take(10), b"still here");
    drop(proxy);
    assert!(!new.exists());
}

#[test]
fn a_path_that_somebody_left_behind_is_taken_over() {
    let (folder, member) = (Folder::new(), Member::start());
    let path = folder.at("db.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let _proxy = at(tcp(), &path).before_one(member.address);
    let (mut client, mut link) = (connect(&path), member.next());
    client.write_all(b"hello").unwrap();
    assert_eq!(link.take(5), b"hello");
}

#[test]
fn a_path_at_which_somebody_listens_is_left_alone() {
    let (folder, member) = (Folder::new(), Member::start());
    let path = folder.at("db.sock");
    let other = UnixListener::bind(&path).unwrap();
    let why = Proxy::try_run(&at(tcp(), &path).text(&[member.named("a")])).err().unwrap();
    assert!(why.contains(&unix(&path)) && why.contains("in use"), "{why}");
    let _client = connect(&path);
    other.accept().unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let (folder, member) = (Folder::new(), Member::start());
    let path = folder.at("precious");
    std::fs::write(&path, "data").unwrap();
    let why = Proxy::try_run(&at(tcp(), &path).text(&[member.named("a")])).err().unwrap();
    assert!(why.contains(&unix(&path)), "{why}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

/// A second proxy has taken the path over while the first still ran; a third thing may stand there as well.
#[test]
fn a_path_that_is_another_s_by_now_is_left_alone() {
    let (folder, member) = (Folder::new(), Member::start());
    let path = folder.at("db.sock");
    let text = at(tcp(), &path).text(&[member.named("a")]);
    let first = Proxy::run(&text);
    std::fs::remove_file(&path).unwrap(); // as start scripts do
    let second = Proxy::run(&text);
    drop(first);
    let (mut client, mut link) = (connect(&path), member.next());
    client.write_all(b"hello").unwrap();
    assert_eq!(link.take(5), b"hello");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "data").unwrap();
    drop(second);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

/// At a reload the old path goes, unless it is another's.
#[test]
fn a_reload_removes_only_its_own_path() {
    let (folder, member) = (Folder::new(), Member::start());
    let (old, new) = (folder.at("old.sock"), folder.at("new.sock"));
    let text = |path| at(tcp(), path).text(&[member.named("a")]);
    let mut first = Proxy::run(&text(&old));
    first.shares_its_members();
    std::fs::remove_file(&old).unwrap();
    let mut second = Proxy::run(&text(&old));
    second.shares_its_members();
    first.reload(&text(&new)).unwrap();
    let (mut client, mut link) = (connect(&old), member.next());
    client.write_all(b"hello").unwrap();
    assert_eq!(link.take(5), b"hello");
    let why = first.reload(&text(&old)).unwrap_err();
    assert!(why.contains("in use"), "{why}");
    let _client = connect(&old);
    drop(first);
    assert!(old.exists() && !new.exists());
}

/// Descriptors that are sent along end a read though more is there (unix(7)). They go nowhere; what follows does.
#[test]
fn descriptors_that_come_along_hold_nothing_up() {
    let (folder, member) = (Folder::new(), Member::start());
    let path = folder.at("db.sock");
    let _proxy = at(tcp(), &path).before_one(member.address);
    let (mut client, mut link) = (connect(&path), member.next());
    for round in 0..100 {
        let file = std::fs::File::open("/dev/null").unwrap();
        let fds = [std::os::fd::AsFd::as_fd(&file)];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
        assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&fds)));
        let bytes = [std::io::IoSlice::new(b"with")];
        let sent = rustix::net::sendmsg(&client, &bytes, &mut control, rustix::net::SendFlags::empty());
        assert_eq!(sent, Ok(4));
        client.write_all(b"without").unwrap();
        assert_eq!(link.take(11), b"withwithout", "round {round}");
    }
}

#[test]
fn a_client_without_an_address_is_told_as_such() {
    let folder = Folder::new();
    let path = folder.at("in.sock");
    let member = Member::start();
    let v1_proxy = at(tcp(), &path).backend("proxy_protocol: v1").before_one(member.address);
    let _client = connect(&path);
    assert_eq!(take_v1(&mut member.next()), "PROXY UNKNOWN\r\n");
    drop(v1_proxy);
    let _proxy = at(tcp(), &path).backend("proxy_protocol: v2").before_one(member.address);
    let _client = connect(&path);
    let said = take_v2(&mut member.next());
    assert_eq!((said.command, said.source, said.destination), (LOCAL, None, None));
}

#[test]
fn a_member_on_a_unix_socket_is_told_the_clients_address() {
    let folder = Folder::new();
    let member = UnixMember::at(&folder.at("app.sock"));
    let named = [("a".to_owned(), unix(&folder.at("app.sock")))];
    let proxy = tcp().backend("proxy_protocol: v1").before(&named);
    let client = proxy.client_from([127, 50, 0, 3]);
    let source = client.stream.local_addr().unwrap().to_string();
    takes(member.next(), &v1(&source, &proxy.address().to_string()));
}

#[test]
fn all_clients_of_a_unix_listener_are_one_source() {
    let (folder, (members, named)) = (Folder::new(), crate::tcp::given::members(["a", "b", "c"]));
    let path = folder.at("in.sock");
    let _proxy = at(tcp(), &path).before(&named);
    let met = |_| {
        let _client = connect(&path);
        crate::tcp::given::next_of(&members).0
    };
    let met: Vec<_> = (0..20).map(met).collect();
    assert!(met.iter().all(|member| *member == met[0]), "{met:?}");
}

#[test]
fn a_member_whose_path_is_missing_is_stood_in_for() {
    let (folder, up) = (Folder::new(), Member::start());
    let (missing, stale) = (folder.at("missing.sock"), folder.at("stale.sock"));
    drop(UnixListener::bind(&stale).unwrap());
    for path in [&missing, &stale] {
        let brief = tcp().backend("links: { connect_timeout: 200ms }");
        let alone = brief.before(&[("a".to_owned(), unix(path))]);
        is_reset(&mut alone.client());
        let cause = if path == &stale { "connect_refused" } else { "connect_other" };
        assert_eq!(alone.errors(cause), 1, "{cause}");
        let named = [("a".to_owned(), unix(path)), ("b".to_owned(), up.address.to_string())];
        let proxy = tcp().before(&named);
        for i in 1..=10 {
            let (mut client, mut link) = (proxy.client_from([127, 51, 0, i]), up.next());
            are_one(&mut client, &mut link);
        }
    }
    let brief = tcp().backend("links: { connect_timeout: 200ms }");
    let proxy = brief.before(&[("a".to_owned(), unix(&missing))]);
    is_reset(&mut proxy.client());
    let member = UnixMember::at(&missing);
    eventually("it is seen to be there", || proxy.sum_of("penstock_member_state", &["state=\"up\""]) == 1);
    while member.0.accept().is_ok() {}
    let (mut client, link) = (proxy.client(), member.next());
    client.send("hello");
    takes(&link, "hello");
}

#[test]
fn warm_links_to_a_unix_socket_are_checked_too() {
    let folder = Folder::new();
    let member = UnixMember::at(&folder.at("app.sock"));
    let named = [("a".to_owned(), unix(&folder.at("app.sock")))];
    let proxy = tcp().workers(1).backend("links: { warm: 1 }").before(&named);
    let idle = || proxy.sum_of("penstock_backend_connections", &["state=\"idle\""]);
    let first = member.next();
    eventually("it is kept", || idle() == 1);
    drop(first);
    let mut second = member.next();
    second.write_all(b"220 banner").unwrap();
    eventually("another one is kept", || idle() == 1);
    assert_eq!(proxy.client().take(10), b"220 banner");
}

/// A Unix socket knows no reset, but whoever is cut off must find out.
#[test]
fn a_reset_on_one_side_ends_a_unix_socket_on_the_other() {
    let (folder, member) = (Folder::new(), Member::start());
    let path = folder.at("in.sock");
    let proxy = at(tcp(), &path).before_one(member.address);
    let (mut client, mut link) = (connect(&path), member.next());
    link.send("half an ans");
    takes(&client, "half an ans");
    link.reset();
    let ended = client.read(&mut [0]);
    assert!(matches!(&ended, Ok(0)) || ended.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
    assert_eq!(proxy.at_rest().sum_of("penstock_request_errors_total", &["cause=\"backend_reset\""]), 1);

    let (client, mut link): (UnixStream, Wire) = (connect(&path), member.next());
    link.send("never read");
    eventually("it is at the client", || proxy.sum("penstock_client_sent_bytes_total") == 21);
    drop(client); // with something unread: that is a reset
    is_reset(&mut link);
    assert_eq!(proxy.at_rest().sum_of("penstock_request_errors_total", &["cause=\"client_abort\""]), 1);
}

/// The socket at a path goes from listener to listener, and the path stays until no listener has it.
#[test]
fn a_unix_listener_that_gets_another_name_keeps_its_path() {
    let (folder, member) = (Folder::new(), Member::start());
    let (path, other) = (folder.at("db.sock"), folder.at("other.sock"));
    let text = |path: &Path| at(tcp(), path).text(&[member.named("a")]);
    let mut proxy = Proxy::run(&text(&path));
    let (mut before, mut its_link) = (connect(&path), member.next());
    for name in ["front:", "web:", "front:"] {
        proxy.reload(&text(&path).replace("web:", name)).unwrap();
        let (mut client, mut link) = (connect(&path), member.next());
        client.write_all(b"question").unwrap();
        assert_eq!(link.take(8), b"question");
        link.send("answer");
        takes(&client, "answer");
    }
    before.write_all(b"still here").unwrap();
    assert_eq!(its_link.take(10), b"still here");
    its_link.send("and here");
    takes(&before, "and here");
    proxy.reload(&text(&other).replace("web:", "front:")).unwrap();
    eventually("the path has gone", || !path.exists());
    assert!(other.exists());
}
