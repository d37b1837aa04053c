//! An origin and a proxy in front of it, in this process, on ports of the kernel's choice: most tests stand on them.

use std::fmt::{Display, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use penstock::config;
use penstock::lifecycle::{ConfigSource, Running};
use penstock_bench::{Plan, Report};
use penstock_origin::{Options, Origin};
use socket2::{Domain, Socket, Type};

use super::recount;
use super::scrape::Scrape;
use super::wire::{Wire, eventually};

/// What is to be configured; the rest is the default, but for what keeps links from being shared or held.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    workers: usize,
    /// All of the rest is the default.
    plain: bool,
    listener: Vec<String>,
    backend: Vec<String>,
    top: Vec<String>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self { workers: 2, ..Self::default() }
    }

    /// Says nothing that the test does not say.
    pub(crate) fn by_default() -> Self {
        Self { plain: true, ..Self::new() }
    }

    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// A line of the listener's section.
    pub(crate) fn listener(mut self, line: &str) -> Self {
        self.listener.push(line.to_owned());
        self
    }

    /// A line of the backend's section.
    pub(crate) fn backend(mut self, line: &str) -> Self {
        self.backend.push(line.to_owned());
        self
    }

    /// A line at the top.
    pub(crate) fn top(mut self, line: &str) -> Self {
        self.top.push(line.to_owned());
        self
    }

    /// The text of the configuration.
    pub(crate) fn text(&self, members: &[(String, impl Display)]) -> String {
        let mut text = format!("workers: {}\n", self.workers);
        if !self.top.iter().any(|line| line.starts_with("admin:")) {
            text.push_str("admin: off\n");
        }
        self.top.iter().for_each(|line| writeln!(text, "{line}").unwrap());
        text.push_str("listeners:\n  web:\n    backend: app\n");
        if !self.listener.iter().any(|line| line.starts_with("bind:")) {
            text.push_str("    bind: 127.0.0.1:0\n");
        }
        self.listener.iter().for_each(|line| writeln!(text, "    {line}").unwrap());
        text.push_str("backends:\n  app:\n");
        self.backend.iter().for_each(|line| writeln!(text, "    {}", self.vouched(line)).unwrap());
        if !self.backend.iter().any(|line| line.starts_with("links:")) {
            writeln!(text, "    {}", self.vouched("links: { max_per_member: auto }")).unwrap();
        }
        text.push_str("    members:\n");
        members.iter().for_each(|(name, address)| writeln!(text, "      {name}: \"{address}\"").unwrap());
        text
    }

    /// Members of tests keep order, or are there to break it: they are pipelined to by the word of the test, and not
    /// probed, unless it says otherwise. And clients of tests hold links for as long as the test likes.
    fn vouched(&self, line: &str) -> String {
        let speaks =
            |word: &str| self.listener.iter().any(|line| line.contains(&format!("protocol: {word}")));
        if self.plain || !line.starts_with("links: {") || speaks("tcp") {
            return line.to_owned();
        }
        let most = if speaks("lines") || speaks("length_prefixed") || speaks("resp") { 1024 } else { 32 };
        let mut line = line.to_owned();
        for (option, value) in [("pipeline", most.to_string()), ("min_rate", "off".to_owned())] {
            if !line.contains(&format!("{option}:")) {
                line = line.replacen('{', &format!("{{ {option}: {value},"), 1);
            }
        }
        line
    }

    /// A proxy in front of these members.
    pub(crate) fn before(&self, members: &[(String, impl Display)]) -> Proxy {
        Proxy::run(&self.text(members))
    }

    /// A proxy in front of one member.
    pub(crate) fn before_one(&self, address: SocketAddr) -> Proxy {
        self.before(&[("a".to_owned(), address)])
    }

    /// A proxy, and an origin with so many members behind it.
    pub(crate) fn with_origin(&self, members: usize) -> (Origin, Proxy) {
        self.with(origin(members))
    }

    /// A proxy in front of this origin.
    pub(crate) fn with(&self, origin: Origin) -> (Origin, Proxy) {
        let proxy = self.before(origin.addresses());
        (origin, proxy)
    }
}

/// A proxy that ends when it is dropped. Before that each of its gauges must be what a recount says.
pub(crate) struct Proxy {
    running: Option<Running>,
    /// The configuration in force.
    settings: config::Settings,
    /// Where it finds its configuration at a reload.
    config: PathBuf,
    /// Others connect to its members, too, and the kernel does not tell them apart.
    shares_members: bool,
}

impl Proxy {
    /// A proxy with this configuration.
    pub(crate) fn run(text: &str) -> Self {
        Self::try_run(text).unwrap_or_else(|why| panic!("{why}\n{text}"))
    }

    /// From now on others have connections to its members, too: in the recount at the end they may be more than its own.
    pub(crate) fn shares_its_members(&mut self) {
        self.shares_members = true;
    }

    /// As [`Proxy::run`], or why it could not start.
    pub(crate) fn try_run(text: &str) -> Result<Self, String> {
        let loaded = config::parse("test.yaml", text, &|_| None).map_err(|mistakes| mistakes.to_string())?;
        penstock_bench::raise_descriptor_limit().unwrap();
        let config = own_path("config.yaml");
        let settings = loaded.settings.clone();
        let running = Running::start(loaded, ConfigSource::File(config.clone()))?;
        Ok(Self { running: Some(running), settings, config, shares_members: false })
    }

    /// Gives it another configuration; what is wrong with it, where it does not take it.
    pub(crate) fn reload(&mut self, text: &str) -> Result<(), String> {
        std::fs::write(&self.config, text).unwrap();
        let taken = self.running_mut().reload().map(drop);
        if taken.is_ok() {
            self.settings = config::load(&self.config).unwrap().settings;
        }
        std::fs::remove_file(&self.config).unwrap();
        taken
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn running_mut(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running().address("web").unwrap()
    }

    pub(crate) fn client(&self) -> Wire {
        Wire::connect(self.address())
    }

    /// So many more clients, each with a request that waits for a link.
    pub(crate) fn waiting(&self, count: usize, request: impl AsRef<[u8]>) -> Vec<Wire> {
        let before = self.sum("penstock_pool_waiting");
        let mut clients: Vec<_> = (0..count).map(|_| self.client()).collect();
        clients.iter_mut().for_each(|client| _ = client.send(request.as_ref()));
        eventually("they wait", || self.sum("penstock_pool_waiting") == before + count as i64);
        clients
    }

    pub(crate) fn client_from(&self, source: [u8; 4]) -> Wire {
        Wire::connect_from(Ipv4Addr::from(source), self.address())
    }

    pub(crate) fn plan(&self) -> Plan {
        Plan::new(self.address())
    }

    pub(crate) fn scrape(&self) -> Scrape {
        Scrape::new(&self.running().metrics())
    }

    #[track_caller]
    pub(crate) fn sum(&self, name: &str) -> i64 {
        self.scrape().sum(name)
    }

    #[track_caller]
    pub(crate) fn sum_of(&self, name: &str, labels: &[&str]) -> i64 {
        self.scrape().sum_of(name, labels)
    }

    /// Whether this member is shown in this state.
    #[track_caller]
    pub(crate) fn is_in_state(&self, member: &str, state: &str) -> bool {
        let labels = [format!("member=\"{member}\""), format!("state=\"{state}\"")];
        self.sum_of("penstock_member_state", &labels.each_ref().map(String::as_str)) == 1
    }

    /// How many exchanges ended with this cause.
    #[track_caller]
    pub(crate) fn errors(&self, cause: &str) -> i64 {
        self.sum_of("penstock_request_errors_total", &[&format!("cause=\"{cause}\"")])
    }

    /// As [`Proxy::at_rest`], when this client has gone.
    pub(crate) fn at_rest_after(&self, client: Wire) -> Scrape {
        drop(client);
        self.at_rest()
    }

    /// Waits until nothing is in flight and no client is open, and tells the counters then.
    pub(crate) fn at_rest(&self) -> Scrape {
        eventually("the proxy is at rest", || {
            let scrape = self.scrape();
            let open =
                ["penstock_client_connections", "penstock_requests_in_flight", "penstock_pool_waiting"];
            let busy = ["state=\"busy\"", "state=\"connecting\""];
            open.iter().all(|name| scrape.sum(name) == 0)
                && scrape.sum("penstock_backend_requests_in_flight") == 0
                && busy.iter().all(|state| scrape.sum_of("penstock_backend_connections", &[state]) == 0)
        });
        self.scrape()
    }

    /// The gauges that are not what they must be now, as soon as there are none; else what is wrong after a minute.
    fn recount(&self, running: &Running) -> Vec<String> {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let faults = recount::faults(&running.metrics(), &self.settings, self.shares_members);
            if faults.is_empty() || std::time::Instant::now() > end {
                return faults;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Between two looks at what is to come true.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// A test that has failed already is told of nothing else.
impl Drop for Proxy {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let mut faults = Vec::new();
        if !std::thread::panicking() {
            // Most tests leave nothing behind: then links that stand are counted again, too. Others hold clients to the end.
            let open = ["penstock_client_connections", "penstock_backend_requests_in_flight"];
            let is_left = || open.iter().all(|name| Scrape::new(&running.metrics()).sum(name) == 0);
            let is_left = (0..5).any(|_| {
                std::thread::sleep(PAUSE);
                is_left()
            });
            faults = if is_left { self.recount(&running) } else { faults };
            running.kill();
            if faults.is_empty() {
                faults = self.recount(&running);
            }
        }
        running.end();
        assert!(faults.is_empty(), "after this test gauges are wrong:\n{}", faults.join("\n"));
    }
}

/// An origin with so many members: a, b, c, ...
pub(crate) fn origin(members: usize) -> Origin {
    origin_with(members, Options::default())
}

pub(crate) fn origin_with(members: usize, options: Options) -> Origin {
    let name = |i: usize| char::from(b'a' + i as u8).to_string();
    let listen = (0..members).map(|i| (name(i), ([127, 0, 0, 1], 0).into())).collect();
    Origin::start(Options { listen, ..options }).unwrap()
}

/// One member of this name, at this address.
pub(crate) fn member_at(name: &str, address: SocketAddr) -> Origin {
    let listen = vec![(name.to_owned(), address)];
    let mut last = None;
    eventually("the address can be bound again", || {
        last = Origin::start(Options { listen: listen.clone(), ..Options::default() }).ok();
        last.is_some()
    });
    last.unwrap()
}

/// Runs the plan, and asserts that nothing at all went wrong.
#[track_caller]
pub(crate) fn run_clean(plan: &Plan) -> Report {
    let report = penstock_bench::run(plan).unwrap();
    assert!(report.is_clean(), "seed {}: {report:?}", plan.seed);
    report
}

/// A socket that listens, but whose queue is full: connecting to it gets no answer at all.
pub(crate) fn mute() -> (Socket, Vec<Socket>, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let fill = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address); // it is under way, or will never be
        socket
    };
    let filling = (0..4).map(fill).collect();
    (listener, filling, address.as_socket().unwrap())
}

/// A new directory of this test's own.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = own_path(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A path at which nobody else has anything.
fn own_path(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let own = format!("{}-{}-{number}-{name}", env!("CARGO_CRATE_NAME"), std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(own)
}
