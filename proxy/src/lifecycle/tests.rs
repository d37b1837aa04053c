//! Tests how the main thread handles access logs and listening sockets.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

use super::{ConfigSource, Running, Sockets};
use crate::config::{AccessLog, Listener, Loaded, LogFormat, LogTo, parse};
use crate::net::Stream;

const CONFIG: &str = "
admin: off
workers: 1
drain_timeout: 60s
listeners:
  web: { bind: 127.0.0.1:0, protocol: http, backend: app }
backends:
  app: { members: { a: MEMBER } }
";

/// Returns a configuration with this member, whose listener has an access log at this path.
fn loaded(member: SocketAddr, path: &Path) -> Loaded {
    let text = CONFIG.replace("MEMBER", &member.to_string());
    let mut loaded = parse("test.yaml", &text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let to = LogTo::File(path.to_owned());
    let access_log = AccessLog { to, format: LogFormat::Json, one_of: 1.try_into().unwrap() };
    for listener in &mut loaded.settings.listeners {
        let changed = Listener { access_log: Some(Arc::new(access_log.clone())), ..(**listener).clone() };
        *listener = Arc::new(changed);
    }
    loaded
}

const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("penstock-lifecycle-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn eventually(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error_at_the_start() {
    let folder = folder("missing");
    let path = folder.join("missing/access.log");
    let error = Running::start(loaded(NOBODY, &path), ConfigSource::Embedded).err().unwrap();
    let expected = format!("listeners.web.access_log: cannot open {}: No such file", path.display());
    assert!(error.starts_with(&expected), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn sigusr1_opens_logs_anew_also_in_a_drain() {
    let folder = folder("signal");
    let path = folder.join("access.log");
    let (tell, told) = channel();
    let member = TcpListener::bind("127.0.0.1:0").unwrap();
    let configured = loaded(member.local_addr().unwrap(), &path);
    let proxy = std::thread::spawn(move || {
        let running = Running::start(configured, ConfigSource::Embedded).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tell = |running: &Running| tell.send(running.address("web").unwrap()).unwrap();
        runtime.block_on(running.until_signal(tell)).unwrap();
    });
    let address = told.recv().unwrap();
    let is_opened_anew = || {
        std::fs::remove_file(&path).unwrap();
        kill_process(getpid(), Signal::USR1).unwrap();
        eventually("it is there again", || path.exists());
    };
    is_opened_anew();
    let mut busy = TcpStream::connect(address).unwrap();
    busy.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let (mut link, _) = member.accept().unwrap();
    assert!(link.read(&mut [0; 10]).unwrap() > 0, "an exchange has begun");
    let refused = || TcpStream::connect(address).is_err();
    assert!(!refused());
    kill_process(getpid(), Signal::TERM).unwrap();
    eventually("it drains", refused);
    is_opened_anew();
    link.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    eventually("it has ended", || proxy.is_finished());
    proxy.join().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

/// Returns settings with listeners of these names, addresses and backlog. Nobody accepts on them.
fn settings(listeners: &[(&str, &str)], backlog: u32) -> crate::config::Settings {
    let line = |(name, bind): &(&str, &str)| {
        format!("  {name}: {{ bind: \"{bind}\", backlog: {backlog}, protocol: tcp, backend: app }}\n")
    };
    let listeners: String = listeners.iter().map(line).collect();
    let text = format!(
        "admin: off\nlisteners:\n{listeners}backends:\n  app: {{ members: {{ a: \"{NOBODY}\" }} }}\n"
    );
    parse("test.yaml", &text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}")).settings
}

#[test]
fn who_waits_in_an_accept_queue_waits_on_when_its_listener_gets_another_name() {
    let any = "127.0.0.1:0";
    let mut sockets = Sockets::bind(&settings(&[("a", any), ("b", any)], 100)).unwrap();
    let ports = ["a", "b"].map(|name| sockets.address(name).unwrap());
    let clients: Vec<_> = (0..60).map(|i| TcpStream::connect(ports[i % 2]).unwrap()).collect();
    let [first, second] = ports.map(|port| port.to_string());
    for names in [["b", "a"], ["c", "b"], ["d", "c"], ["a", "b"]] {
        let next = settings(&[(names[0], &first), (names[1], &second)], 100);
        let next = sockets.rebind(&next).unwrap();
        assert_eq!(names.map(|name| next.address(name).unwrap()), ports);
        sockets = next;
    }
    let sources = |listener: &str| {
        let socket = sockets.clone_of(listener);
        (0..30).map(|_| socket.accept().unwrap().1.as_socket().unwrap()).collect::<Vec<_>>()
    };
    let all = [sources("a"), sources("b")];
    for (i, client) in clients.iter().enumerate() {
        assert_eq!(all[i % 2][i / 2], client.local_addr().unwrap(), "in the order in which they came");
    }
}

#[test]
fn another_backlog_is_in_force_at_a_reload() {
    let folder = folder("backlog");
    let bind = format!("unix:{}", folder.join("in.sock").display());
    let mut sockets = Sockets::bind(&settings(&[("a", &bind)], 1)).unwrap();
    let address = socket2::SockAddr::unix(folder.join("in.sock")).unwrap();
    let mut waiting = Vec::new();
    // A connect to a Unix socket with a full accept queue fails at once (unix(7)). The queue takes one more
    // than its backlog.
    let mut fill = || {
        loop {
            let client =
                Stream::new(socket2::Domain::UNIX, socket2::Type::STREAM.nonblocking(), None).unwrap();
            match client.connect(&address) {
                Ok(()) => waiting.push(client),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return waiting.len(),
                Err(error) => panic!("{error}"),
            }
        }
    };
    assert_eq!(fill(), 2);
    for (name, backlog) in [("a", 10), ("b", 20), ("b", 20), ("c", 31)] {
        sockets = sockets.rebind(&settings(&[(name, &bind)], backlog)).unwrap();
        sockets.apply().unwrap();
        assert_eq!(fill(), backlog as usize + 1, "{name}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
