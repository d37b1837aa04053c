//! Tests that a panic anywhere on the path of a client ends only that client or its link.
//!
//! A panic is injected at each place where the code waits or calls back, under traffic. Afterwards everything is answered, all gauges
//! are zero, sockets are closed and permits are back, and the panic is counted at its site and logged. The places are in the code of
//! this crate's tests alone (`event_loop::may_panic`); one that is in no table here fails a test.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use penstock_origin::{Options, Origin, Speaks};

use super::{ConfigSource, Running, panics};
use crate::config::parse;
use crate::event_loop::injected::{Injector, injector};
use crate::mailbox::Message;

#[path = "../../tests/it/support/own_address.rs"]
mod own_address;

use own_address::own_address;

/// A proxy with everything that a panic may hit, in front of one origin.
struct Bed {
    name: String,
    running: Option<Running>,
    injector: Arc<Injector>,
    config: std::path::PathBuf,
    _origins: Vec<Origin>,
    /// The address of a member that does not listen yet.
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
    /// Starts a proxy. `name` separates its threads from those of others.
    fn start(name: &str) -> Self {
        let any = KERNELS_CHOICE.parse().unwrap();
        let (http, echo) = (origin(Speaks::Http, any), origin(Speaks::Echo, any));
        let nobody = own_address();
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
  app: {{ links: {{ pipeline: 32, max_tunnels: 1 }}, ejection: 50%, members: {{ a: \"{a}\" }} }}
  narrow: {{ links: {{ max_per_member: 2, pipeline: 1 }}, members: {{ a: \"{a}\" }} }}
  dead: {{ queue: {{ timeout: 1s }}, members: {{ a: \"{nobody}\" }} }}
  raw: {{ links: {{ warm: 1, max_per_member: 2 }}, members: {{ a: \"{b}\" }} }}
  raw-dead: {{ links: {{ connect_timeout: 500ms }}, members: {{ a: \"{nobody}\" }} }}
"
        );
        listen_to_panics();
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

/// What the process has logged of injected panics.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps the line that is logged for each injected panic, as `panics::report_panics` writes it.
fn listen_to_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let line = panics::line(panic);
            if line.contains(": injected at ") {
                LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            } else {
                before(panic);
            }
        }));
    });
}

/// How many lines say that a panic was injected there.
fn logged(place: &str) -> usize {
    let needle = format!(": injected at {place};");
    let lines = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| line.contains(&needle)).count()
}

/// The sockets that this process has and that are connected to a client at one of these ports, in the words of the kernel.
fn connected(ports: &[u16]) -> Vec<String> {
    const LISTENING: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let is_ours = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let port = words[1].rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        port.is_some_and(|port| ports.contains(&port)) && words[3] != LISTENING && words[9] != "0"
    };
    table.lines().skip(1).filter(is_ours).map(str::to_owned).collect()
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

/// Returns the status of the next answer, if one arrives complete.
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

/// Traffic that reaches a place. It may fail where the panic hits, and must not hang.
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

/// Sends more clients than links, one of which has closed its side.
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

/// Uses a member that closes without an answer, and one that closes after it.
fn closes(bed: &Bed) {
    let mut client = connect(bed.web());
    let _ = get(&mut client, "/hello"); // a failure on a used link is retried
    let _ = get(&mut client, "/fault/close");
    let _ = get(&mut connect(bed.web()), "/close");
}

fn asks_the_dead(bed: &Bed) {
    let _ = get(&mut connect(bed.at("dead")), "/hello");
}

/// Sends so much to be echoed to a client that does not read at first that the link becomes full.
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
    upgrades_well(bed);
}

fn upgrades_well(bed: &Bed) -> bool {
    let mut client = connect(bed.web());
    let _ =
        client.write_all(b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    answer(&mut client) == Some(101)
        && client.write_all(b"word").is_ok()
        && client.read_exact(&mut [0; 4]).is_ok()
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

/// A client that leaves in the middle of its exchange, and one that does so while it waits.
fn leaves(bed: &Bed) {
    let clients: Vec<_> = (0..4).map(|_| connect(bed.at("narrow"))).collect();
    for mut client in clients {
        let _ = client.write_all(b"GET /delay/50 HTTP/1.1\r\nHost: h\r\n\r\n");
    }
}

/// Clients that hold all links with bodies which do not go on, while somebody waits.
fn hogs(bed: &Bed) {
    let mut hogs: Vec<_> = (0..2).map(|_| connect(bed.at("narrow"))).collect();
    for hog in &mut hogs {
        let _ = hog.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n");
        let _ = hog.write_all(&[b'x'; 200_000]);
    }
    let mut waiting = connect(bed.at("narrow"));
    let _ = waiting.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = get(&mut waiting, "/hello");
}

/// More clients than there may be tunnels.
fn tunnels_wait(bed: &Bed) {
    let mut clients: Vec<_> = (0..3).map(|_| connect(bed.at("raw"))).collect();
    for client in &mut clients {
        let _ = client.write_all(b"word");
    }
    for mut client in clients {
        let _ = client.read_exact(&mut [0; 4]);
    }
}

/// A place, the site whose panic is counted there (several, where whoever comes first calls it), and what brings clients to it.
type Place = (&'static str, &'static str, Traffic);

const PLACES: [Place; 45] = [
    ("client.admit", "listener", gets),
    ("client.poll", "client", gets),
    ("client.begin", "client", gets),
    ("client.write", "client", gets),
    ("client.head", "link", gets),
    ("client.deliver", "link", gets),
    ("client.ended", "link", gets),
    ("client.counted", "link", gets),
    ("client.flush", "client", gets),
    ("client.timer", "client", idles),
    ("client.placed", "client", queues),
    ("client.give_way", "client", queues),
    ("client.failed", "client", closes),
    ("client.again", "client", closes),
    ("client.writable", "link", posts),
    ("client.switched", "client", upgrades),
    ("client.closes", "link", gets),
    ("client.is_full", "link|client|member", gets),
    ("client.has_ended", "member|link|client", queues),
    ("client.moved", "member|link|client", hogs),
    ("client.end.exchanges", "client", leaves),
    ("client.end.buffers", "client", posts),
    ("client.end.assignments", "client", gets),
    ("tunnel.relay", "client", upgrades),
    ("link.connecting", "link", closes),
    ("link.connected", "link", closes),
    ("link.poll", "link", gets),
    ("link.received", "link", gets),
    ("link.write", "link", gets),
    ("link.parted", "link", closes),
    ("pool.acquired", "client|link|member", gets),
    ("pool.wait", "client", queues),
    ("pool.look", "member", queues),
    ("listener.place", "listener", gets),
    ("worker.welcome", "listener", gets),
    ("preface.read", "listener", introduces_itself),
    ("tcp.admit", "listener", tunnels),
    ("tcp.poll", "tunnel", tunnels),
    ("tcp.reached", "tunnel", tunnels),
    ("tcp.hoped", "tunnel", tunnels_to_the_dead),
    ("tcp.timer", "tunnel", tunnels_idle),
    ("tcp.end", "tunnel", tunnels),
    ("tunnel.relay", "tunnel", tunnels),
    ("dedicated.connected", "tunnel|member", tunnels_wait),
    ("dedicated.waited", "tunnel", tunnels_wait),
];

/// Places in what looks after a member, which is begun again.
const DUTIES: [Place; 5] = [
    ("pool.recover", "member", asks_the_dead),
    ("pool.deal", "member", queues),
    ("dedicated.recover", "member", tunnels_to_the_dead),
    ("dedicated.watch", "member", tunnels_to_the_dead),
    ("dedicated.keep_warm", "member", tunnels),
];

/// A place that the prober comes to once a second. It belongs to no worker, so its panics are logged and not counted.
const JUDGE: &str = "ejections.judge";

/// Places that a reload comes to, and the site.
const RELOADS: [(&str, &str); 2] = [("worker.take", "worker"), ("client.reconfigure", "client")];

/// Places that the end of a proxy comes to, and whether it drains.
const ENDS: [(&str, bool); 6] = [
    ("client.drain", true),
    ("tcp.drain", true),
    ("pool.drain", true),
    ("client.kill", false),
    ("tcp.kill", false),
    ("pool.kill", false),
];

/// A client that asks all the time on one connection, and counts answers that are missing or wrong.
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

/// The gauges that are zero when nobody is connected.
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
    /// Returns the address of the listener that most traffic uses.
    fn web(&self) -> SocketAddr {
        self.at(&self.name)
    }

    /// Injects a panic at this place under this traffic, after it was passed so many times, and checks that it is told once.
    fn try_at(&self, (place, site, traffic): &Place, passes: u32) {
        let (fired, counted, told) = (self.injector.fired(), self.panics(site), logged(place));
        self.injector.arm(place, passes);
        eventually(&format!("a panic at {place}"), || {
            traffic(self);
            self.injector.fired() > fired
        });
        eventually(&format!("{place}: a panic of a {site} is counted"), || self.panics(site) == counted + 1);
        assert_eq!(logged(place), told + 1, "{place}: it is logged once");
    }

    fn only_one_notices(&self, place: Place, passes: u32) {
        let bystander = Bystander::start(self.at("narrow"));
        self.try_at(&place, passes);
        let (asked, failed) = bystander.end();
        let (place, ..) = place;
        // A panic that hits the bystander itself may fail one of its requests.
        assert!(failed <= 1, "{place}: {failed} of {asked} failed");
        self.all_is_well(place);
    }

    /// How many panics are counted at this site, or at any of several.
    fn panics(&self, site: &str) -> i64 {
        let at = |site: &str| self.sum_of("penstock_panics_total", &format!("where=\"{site}\""));
        site.split('|').map(at).sum()
    }

    fn sum_of(&self, metric: &str, label: &str) -> i64 {
        let metrics = self.running.as_ref().unwrap().metrics();
        let lines: String =
            metrics.lines().filter(|line| line.contains(label)).map(|l| l.to_owned() + "\n").collect();
        sum(&lines, metric)
    }

    /// Everybody is served: those of each listener, one that upgrades, and one that needs a tunnel.
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
        // The failed member is known to be down by now, but the cause may differ.
        assert_eq!(get(&mut connect(self.at("dead")), "/hello"), Some(503), "after {place}");
        let mut raw = connect(self.at("raw"));
        raw.write_all(b"word").unwrap();
        raw.read_exact(&mut [0; 4]).unwrap_or_else(|error| panic!("no echo after {place}: {error}"));
        drop(raw);
        // There may be one at a time: it would have no place if the panic had kept one.
        eventually(&format!("an upgrade after {place}"), || upgrades_well(self));
        let running = self.running.as_ref().unwrap();
        let ports =
            [&*self.name, "narrow", "dead", "named", "raw", "raw-dead"].map(|name| self.at(name).port());
        let mut wrong = Vec::new();
        for _ in 0..2000 {
            wrong = wrongs(&running.metrics());
            wrong.extend(connected(&ports));
            // The places in the load of workers, which decides where clients are placed.
            wrong.extend((running.clients() != 0).then(|| format!("{} permits", running.clients())));
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
    for place in PLACES {
        bed.only_one_notices(place, 0);
    }
}

/// The first to reach a place is most often a client that asks; those who waited come to it from a link.
#[test]
fn a_panic_at_those_who_waited_ends_one_and_nobody_else_notices() {
    let bed = Bed::start("waited");
    let site = "client|link|member";
    for place in ["pool.acquired", "client.deliver", "client.begin", "client.write"] {
        bed.only_one_notices((place, site, queues), 5);
    }
    for passes in 0..8 {
        bed.only_one_notices(("client.has_ended", site, queues), passes);
    }
}

#[test]
fn a_duty_that_panics_is_begun_again() {
    let bed = Bed::start("duties");
    for place in DUTIES {
        bed.try_at(&place, 0);
    }
    let _member = origin(Speaks::Http, bed.nobody);
    eventually("the member is up", || get(&mut connect(bed.at("dead")), "/hello") == Some(200));
    eventually("and for tunnels, too", || {
        let mut client = connect(bed.at("raw-dead"));
        get(&mut client, "/hello") == Some(200)
    });
}

#[test]
fn members_are_judged_again_after_a_panic() {
    let bed = Bed::start("judged");
    for times in 1..=2 {
        bed.injector.arm(JUDGE, 0);
        eventually("a panic of the judge", || bed.injector.fired() == times);
    }
    // The same second tells it on another thread.
    eventually("each is logged", || logged(JUDGE) >= 2);
    assert_eq!(get(&mut connect(bed.web()), "/hello"), Some(200));
}

#[test]
fn a_configuration_that_a_worker_panics_over_can_be_taken_again() {
    let mut bed = Bed::start("reloads");
    for (place, site) in RELOADS {
        let (fired, counted) = (bed.injector.fired(), bed.panics(site));
        let idle = connect(bed.web());
        eventually("a client is there", || bed.sum("penstock_client_connections") == 1);
        bed.injector.arm(place, 0);
        bed.running.as_mut().unwrap().reload().unwrap();
        assert_eq!((bed.injector.fired(), bed.panics(site)), (fired + 1, counted + 1), "{place}");
        assert_eq!(logged(place), 1, "{place}");
        drop(idle);
        bed.all_is_well(place);
        bed.running.as_mut().unwrap().reload().unwrap();
        bed.all_is_well("the second");
    }
}

#[test]
fn a_proxy_ends_that_panics_while_it_drains_or_ends() {
    for (place, drains) in ENDS {
        let mut bed = Bed::start("ends");
        let fired = bed.injector.fired();
        let mut clients = [connect(bed.web()), connect(bed.at("raw"))];
        assert_eq!(get(&mut clients[0], "/hello"), Some(200), "so that there is a link, too");
        eventually("clients are there", || bed.sum("penstock_client_connections") == 2);
        bed.injector.arm(place, 0);
        let running = bed.running.take().unwrap();
        if drains {
            running.shared.workers.iter().for_each(|worker| worker.send(Message::Drain));
            eventually(&format!("a panic at {place}"), || bed.injector.fired() > fired);
        }
        running.end();
        assert_eq!((bed.injector.fired(), logged(place)), (fired + 1, 1), "{place}");
        for client in &mut clients {
            assert!(client.read(&mut [0]).map_or(true, |n| n == 0), "{place}: each is closed");
        }
    }
}

/// A panic that nobody injects is one that nobody knows to be harmless.
#[test]
fn every_place_that_may_panic_is_in_a_table() {
    let mut in_code = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut in_code);
    let places = PLACES.iter().chain(&DUTIES).map(|(place, ..)| *place);
    let others = RELOADS.iter().map(|(place, _)| *place).chain(ENDS.iter().map(|(place, _)| *place));
    let in_tables: BTreeSet<_> = places.chain(others).chain([JUDGE]).map(str::to_owned).collect();
    let (missing, gone) = (&in_code - &in_tables, &in_tables - &in_code);
    assert!(missing.is_empty() && gone.is_empty(), "in no table: {missing:?}; not in the code: {gone:?}");
}

/// The names of all places in the sources below a folder.
fn collect(folder: &Path, places: &mut BTreeSet<String>) {
    const CALL: &str = concat!("may_panic", "(\"");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, places);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            places
                .extend(text.split(CALL).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}
