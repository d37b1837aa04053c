//! Tests that a panic anywhere on the way of a client ends that client or its link, and that nobody else notices.
//!
//! A panic is injected at each place where the code waits or calls back, under traffic. Afterwards everything is answered and all
//! gauges are zero. The places are in the code of this crate's tests alone (`event_loop::may_panic`).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use penstock_origin::{Options, Origin, Speaks};

use super::{ConfigSource, Running};
use crate::config::parse;
use crate::event_loop::injected::{Injector, injector};

/// All that a panic may hit, before one origin.
struct Bed {
    name: String,
    running: Option<Running>,
    injector: Arc<Injector>,
    config: std::path::PathBuf,
    _origins: Vec<Origin>,
    /// Where a member of its own is not, yet.
    nobody: SocketAddr,
}

fn origin(speaks: Speaks, at: SocketAddr) -> Origin {
    Origin::start(Options { listen: vec![("a".to_owned(), at)], speaks, ..Options::default() }).unwrap()
}

fn address(origin: &Origin) -> String {
    origin.addresses()[0].1.to_string()
}

const KERNELS_CHOICE: &str = "127.0.0.1:0";

impl Bed {
    /// `name` tells the threads of this bed from those of others.
    fn start(name: &str) -> Self {
        let any = KERNELS_CHOICE.parse().unwrap();
        let (http, echo) = (origin(Speaks::Http, any), origin(Speaks::Echo, any));
        let nobody = TcpListener::bind(any).unwrap().local_addr().unwrap();
        let (a, b) = (address(&http), address(&echo));
        let text = format!(
            "
admin: off
workers: 2
listeners:
  {name}: {{ bind: {KERNELS_CHOICE}, protocol: http, backend: app, upgrades: any, timeouts: {{ idle: 1s }} }}
  narrow: {{ bind: {KERNELS_CHOICE}, protocol: http, backend: narrow }}
  dead: {{ bind: {KERNELS_CHOICE}, protocol: http, backend: dead }}
  named: {{ bind: {KERNELS_CHOICE}, protocol: http, backend: app, proxy_protocol: required, trusted: any }}
  raw: {{ bind: {KERNELS_CHOICE}, protocol: tcp, backend: raw, tunnel: {{ idle_timeout: 1s }} }}
  raw-dead: {{ bind: {KERNELS_CHOICE}, protocol: tcp, backend: raw-dead }}
backends:
  app: {{ links: {{ pipeline: 32 }}, members: {{ a: \"{a}\" }} }}
  narrow: {{ links: {{ max_per_member: 2, pipeline: 1 }}, members: {{ a: \"{a}\" }} }}
  dead: {{ queue: {{ timeout: 1s }}, members: {{ a: \"{nobody}\" }} }}
  raw: {{ links: {{ warm: 1 }}, members: {{ a: \"{b}\" }} }}
  raw-dead: {{ members: {{ a: \"{nobody}\" }} }}
"
        );
        let injector = injector(name);
        let config = std::env::temp_dir().join(format!("penstock-{}-{name}.yaml", std::process::id()));
        std::fs::write(&config, &text).unwrap();
        let loaded = parse("test.yaml", &text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let running = Running::start(loaded, ConfigSource::File(config.clone())).unwrap();
        Self {
            name: name.to_owned(),
            running: Some(running),
            injector,
            config,
            _origins: vec![http, echo],
            nobody,
        }
    }

    fn at(&self, listener: &str) -> SocketAddr {
        self.running.as_ref().unwrap().address(listener).unwrap()
    }

    fn sum(&self, metric: &str) -> i64 {
        sum(&self.running.as_ref().unwrap().metrics(), metric)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.config);
        self.running.take().into_iter().for_each(Running::end);
    }
}

fn sum(metrics: &str, name: &str) -> i64 {
    let of_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let values = metrics.lines().filter(of_it).map(|line| line.rsplit_once(' ').unwrap().1);
    values.map(|value| value.parse::<f64>().unwrap()).sum::<f64>() as i64
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The status of the next answer, if one comes whole.
fn answer(stream: &mut TcpStream) -> Option<u16> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    head[9..12].parse().ok()
}

fn get(stream: &mut TcpStream, target: &str) -> Option<u16> {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").ok()?;
    answer(stream)
}

/// What brings clients to a place. Each may fail where the panic hits it, and must not hang.
type Traffic = fn(&Bed);

fn gets(bed: &Bed) {
    let mut one = connect(bed.web());
    let _ = get(&mut one, "/hello");
    let mut many = connect(bed.web());
    let _ = many.write_all("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n".repeat(8).as_bytes());
    for _ in 0..8 {
        let _ = answer(&mut many);
    }
}

/// More clients than links, one of which has ended its side.
fn queues(bed: &Bed) {
    let to = bed.at("narrow");
    let clients = (0..8).map(|number| {
        std::thread::spawn(move || {
            let mut client = connect(to);
            let _ = client.write_all(b"GET /delay/20 HTTP/1.1\r\nHost: h\r\n\r\n");
            if number % 2 == 1 {
                let _ = client.shutdown(Shutdown::Write);
            }
            let _ = answer(&mut client);
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
}

/// A member that closes without an answer, and one that closes behind it.
fn closes(bed: &Bed) {
    let mut client = connect(bed.web());
    let _ = get(&mut client, "/hello"); // what fails on a link that was used before is sent again
    let _ = get(&mut client, "/fault/close");
    let _ = get(&mut connect(bed.web()), "/close");
}

fn asks_the_dead(bed: &Bed) {
    let _ = get(&mut connect(bed.at("dead")), "/hello");
}

/// So much, echoed to a client that does not read at first, that the link is full.
fn posts(bed: &Bed) {
    let mut client = connect(bed.web());
    let mut writer = client.try_clone().unwrap();
    let write = move || {
        let body = vec![b'x'; 16 << 20];
        let _ = write!(writer, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = writer.write_all(&body);
    };
    let writer = std::thread::spawn(write);
    std::thread::sleep(Duration::from_millis(300));
    let _ = answer(&mut client);
    let _ = client.shutdown(Shutdown::Both);
    writer.join().unwrap();
}

fn idles(bed: &Bed) {
    let mut client = connect(bed.web());
    let _ = get(&mut client, "/hello");
    let _ = client.read(&mut [0]);
}

fn upgrades(bed: &Bed) {
    let mut client = connect(bed.web());
    let _ =
        client.write_all(b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    if answer(&mut client) == Some(101) {
        let _ = client.write_all(b"word");
        let _ = client.read_exact(&mut [0; 4]);
    }
}

fn tunnels(bed: &Bed) {
    let mut client = connect(bed.at("raw"));
    let _ = client.write_all(b"word");
    let _ = client.read_exact(&mut [0; 4]);
}

fn tunnels_idle(bed: &Bed) {
    let mut client = connect(bed.at("raw"));
    let _ = client.write_all(b"word");
    let _ = client.read_to_end(&mut Vec::new());
}

fn tunnels_to_the_dead(bed: &Bed) {
    let _ = connect(bed.at("raw-dead")).read(&mut [0]);
}

fn introduces_itself(bed: &Bed) {
    let mut client = connect(bed.at("named"));
    let _ = client.write_all(b"PROXY TCP4 127.0.0.7 127.0.0.1 1 2\r\n");
    let _ = get(&mut client, "/hello");
}

const PLACES: [(&str, Traffic); 32] = [
    ("client.admit", gets),
    ("client.poll", gets),
    ("client.begin", gets),
    ("client.write", gets),
    ("client.piece", gets),
    ("client.ended", gets),
    ("client.counted", gets),
    ("client.flush", gets),
    ("client.timer", idles),
    ("client.placed", queues),
    ("client.give_way", queues),
    ("client.failed", closes),
    ("client.again", closes),
    ("client.writable", posts),
    ("client.switched", upgrades),
    ("link.connecting", closes),
    ("link.connected", closes),
    ("link.poll", gets),
    ("link.received", gets),
    ("link.write", gets),
    ("link.parted", closes),
    ("pool.acquired", gets),
    ("pool.wait", queues),
    ("pool.look", queues),
    ("listener.place", gets),
    ("worker.welcome", gets),
    ("preface.read", introduces_itself),
    ("tcp.poll", tunnels),
    ("tcp.reached", tunnels),
    ("tunnel.relay", tunnels),
    ("tcp.timer", tunnels_idle),
    ("dedicated.connected", tunnels),
];

/// Somebody else, who asks all the time on a connection that it keeps. Tells how often it got no good answer.
struct Bystander {
    stop: std::sync::mpsc::Sender<()>,
    thread: JoinHandle<(u32, u32)>,
}

impl Bystander {
    fn start(to: SocketAddr) -> Self {
        let (stop, stopped) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let (mut asked, mut failed) = (0, 0);
            let mut client = connect(to);
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                asked += 1;
                if get(&mut client, "/hello") != Some(200) {
                    failed += 1;
                    client = connect(to);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            (asked, failed)
        });
        Self { stop, thread }
    }

    fn end(self) -> (u32, u32) {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

/// What is zero where nobody is connected.
const ZERO: [&str; 8] = [
    "penstock_client_connections",
    "penstock_requests_in_flight",
    "penstock_backend_requests_in_flight",
    "penstock_pool_waiting",
    "penstock_affinity_entries",
    "penstock_member_sources",
    "penstock_worker_connections",
    "penstock_buffer_bytes",
];

impl Bed {
    /// The listener that most of them come to.
    fn web(&self) -> SocketAddr {
        self.at(&self.name)
    }

    /// Panics once at this place, amid its traffic; then nothing is missing.
    fn try_at(&self, place: &str, traffic: Traffic) {
        let before = self.injector.fired();
        self.injector.arm(place);
        eventually(&format!("a panic at {place}"), || {
            traffic(self);
            self.injector.fired() > before
        });
    }

    fn all_is_well(&self, place: &str) {
        for listener in [&*self.name, "narrow"] {
            for _ in 0..4 {
                assert_eq!(
                    get(&mut connect(self.at(listener)), "/hello"),
                    Some(200),
                    "{listener}, after {place}"
                );
            }
        }
        // A member that did not answer is known to be down; it is not known to everybody what that is called.
        assert_eq!(get(&mut connect(self.at("dead")), "/hello"), Some(503), "after {place}");
        let mut raw = connect(self.at("raw"));
        raw.write_all(b"word").unwrap();
        raw.read_exact(&mut [0; 4]).unwrap_or_else(|error| panic!("no echo after {place}: {error}"));
        drop(raw);
        let mut wrong = Vec::new();
        let running = self.running.as_ref().unwrap();
        for _ in 0..2000 {
            wrong = wrongs(&running.metrics());
            if wrong.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(wrong.is_empty(), "after {place}: {wrong:?}");
        assert_eq!(self.sum("penstock_panics_total"), i64::from(self.injector.fired()), "after {place}");
    }
}

fn wrongs(metrics: &str) -> Vec<String> {
    let sum = |name| sum(metrics, name);
    let mut wrong: Vec<_> =
        ZERO.iter().filter(|name| sum(name) != 0).map(|name| format!("{name} {}", sum(name))).collect();
    let mut same = |what: &str, one: i64, other: i64| {
        if one != other {
            wrong.push(format!("{what}: {one} and {other}"));
        }
    };
    let opened = sum("penstock_backend_connections_opened_total");
    let busy = metrics
        .lines()
        .filter(|line| line.starts_with("penstock_backend_connections{") && !line.contains("idle"));
    same(
        "links at work",
        busy.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum::<f64>() as i64,
        0,
    );
    same(
        "links",
        opened - sum("penstock_backend_connections_closed_total"),
        sum("penstock_backend_connections"),
    );
    let accepted = sum("penstock_client_connections_accepted_total");
    same("clients", accepted, sum("penstock_client_connections_closed_total"));
    wrong
}

#[test]
fn a_panic_at_any_place_ends_one_and_nobody_else_notices() {
    let bed = Bed::start("panics");
    for (place, traffic) in PLACES {
        let bystander = Bystander::start(bed.at("narrow"));
        bed.try_at(place, traffic);
        let (asked, failed) = bystander.end();
        // Where the panic hits the bystander, it is not one.
        assert!(failed <= 1, "{place}: {failed} of {asked} failed");
        bed.all_is_well(place);
    }
}

#[test]
fn a_duty_that_panics_is_begun_again() {
    let bed = Bed::start("duties");
    for (place, traffic) in [
        ("pool.recover", asks_the_dead as Traffic),
        ("dedicated.recover", tunnels_to_the_dead),
        ("dedicated.keep_warm", tunnels),
    ] {
        bed.injector.arm(place);
        let before = bed.injector.fired();
        traffic(&bed);
        eventually(&format!("a panic at {place}"), || bed.injector.fired() > before);
    }
    let _member = origin(Speaks::Http, bed.nobody);
    eventually("the member is up", || get(&mut connect(bed.at("dead")), "/hello") == Some(200));
    eventually("and for tunnels, too", || {
        let mut client = connect(bed.at("raw-dead"));
        get(&mut client, "/hello") == Some(200)
    });
}

#[test]
fn a_configuration_that_a_worker_panics_over_can_be_taken_again() {
    let mut bed = Bed::start("reloads");
    bed.injector.arm("worker.take");
    bed.running.as_mut().unwrap().reload().unwrap();
    assert_eq!(bed.injector.fired(), 1);
    bed.all_is_well("the first");
    bed.running.as_mut().unwrap().reload().unwrap();
    bed.all_is_well("the second");
}
