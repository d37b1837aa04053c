//! The proxy between a real client and a real server, in this process; or what takes its place when in doubt.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use penstock::config;
use penstock::lifecycle::{ConfigSource, Running};

use super::child::{Child, Run};
use super::place::{Directory, eventually, own_address, until_it_listens};
use super::program::Program;

/// The line of a listener whose clients have another proxy before them.
pub(crate) const HEADED: &str = "proxy_protocol: required";
pub(crate) const HAPROXY: Program = Program::new("haproxy", "haproxy");

/// What is between client and server: penstock, unless `PENSTOCK_TEST_THROUGH` says `haproxy` or `direct`. Where a
/// test fails with these as well, it is not penstock's doing.
enum Through {
    Penstock,
    Haproxy,
    Direct,
}

impl Through {
    fn asked_for() -> Self {
        match std::env::var("PENSTOCK_TEST_THROUGH").as_deref() {
            Err(_) | Ok("penstock") => Self::Penstock,
            Ok("haproxy") => Self::Haproxy,
            Ok("direct") => Self::Direct,
            Ok(other) => panic!("PENSTOCK_TEST_THROUGH={other} is none of penstock, haproxy, direct"),
        }
    }
}

/// What is to be configured; the rest is the default.
pub(crate) struct Setup {
    protocol: &'static str,
    socket: Option<PathBuf>,
    members: Vec<String>,
    listener: Vec<String>,
    backend: Vec<String>,
}

impl Setup {
    /// Opaque connections to these members.
    pub(crate) fn tcp(members: &[SocketAddr]) -> Self {
        Self::speaking("tcp", members.iter().map(SocketAddr::to_string).collect())
    }

    /// Opaque connections to this Unix socket.
    pub(crate) fn tcp_to(socket: &Path) -> Self {
        Self::speaking("tcp", vec![unix(socket)])
    }

    /// Redis to this member; clients share links to it.
    pub(crate) fn resp(member: SocketAddr) -> Self {
        Self::speaking("resp", vec![member.to_string()])
    }

    /// HTTP to these members.
    pub(crate) fn http(members: &[SocketAddr]) -> Self {
        Self::speaking("http", members.iter().map(SocketAddr::to_string).collect())
    }

    fn speaking(protocol: &'static str, members: Vec<String>) -> Self {
        Self { protocol, socket: None, members, listener: Vec::new(), backend: Vec::new() }
    }

    /// Clients connect to this Unix socket, and to no port.
    pub(crate) fn at(mut self, socket: PathBuf) -> Self {
        self.socket = Some(socket);
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

    /// It accepts connections when this returns.
    pub(crate) fn start(&self) -> Proxy {
        match Through::asked_for() {
            Through::Penstock => self.penstock(),
            Through::Haproxy => self.stand_in(),
            Through::Direct => self.nothing(),
        }
    }

    /// As [`Setup::start`], and nothing takes penstock's place.
    pub(crate) fn penstock(&self) -> Proxy {
        Proxy::Penstock(Some(start(&self.text())))
    }

    fn text(&self) -> String {
        let mut text = String::from("admin: off\nworkers: 2\nlisteners:\n  front:\n");
        let bind = self.socket.as_ref().map_or_else(|| "127.0.0.1:0".to_owned(), |path| unix(path));
        writeln!(text, "    bind: \"{bind}\"").unwrap();
        writeln!(text, "    protocol: {}\n    backend: back", self.protocol).unwrap();
        self.listener.iter().for_each(|line| writeln!(text, "    {line}").unwrap());
        text.push_str("backends:\n  back:\n");
        self.backend.iter().for_each(|line| writeln!(text, "    {line}").unwrap());
        text.push_str("    members:\n");
        let members = self.members.iter().enumerate();
        members.for_each(|(i, member)| writeln!(text, "      m{i}: \"{member}\"").unwrap());
        text
    }

    /// No proxy at all, where that can do the same.
    fn nothing(&self) -> Proxy {
        let plain = self.members.len() == 1 && self.socket.is_none() && !has(&self.listener, HEADED);
        let at = self.members[0].parse().ok().filter(|_| plain);
        Proxy::Direct(at.expect("PENSTOCK_TEST_THROUGH=direct is for one plain member"))
    }

    /// HAProxy, doing the same as far as it can.
    fn stand_in(&self) -> Proxy {
        let accept = if has(&self.listener, HEADED) { "accept-proxy" } else { "" };
        let v1 = has(&self.backend, "proxy_protocol: v1").then_some("send-proxy");
        let v2 =
            has(&self.backend, "proxy_protocol: v2").then_some("send-proxy-v2 proxy-v2-options unique-id");
        let send = v1.or(v2).unwrap_or_default();
        let at = own_address();
        let protocol = if self.protocol == "http" { "http" } else { "tcp" };
        let mut text =
            format!("frontend front\n mode {protocol}\n bind {at} {accept}\n default_backend back\n");
        text.push_str(" unique-id-format %{+X}o%ci:%cp\n");
        if let Some(path) = &self.socket {
            writeln!(text, " bind unix@{}", path.display()).unwrap();
        }
        if protocol == "http" {
            text.push_str(" option forwardfor\n");
        }
        writeln!(text, "backend back\n mode {protocol}\n balance source").unwrap();
        let members = self.members.iter().enumerate();
        members.for_each(|(i, member)| {
            writeln!(text, " server m{i} {} {send}", member.replace("unix:", "unix@")).unwrap();
        });
        let directory = Directory::new("haproxy");
        let child = haproxy(&directory, &text, at);
        Proxy::Haproxy { _child: child, _directory: directory, at }
    }
}

/// What stands between client and server; it ends when it is dropped.
pub(crate) enum Proxy {
    Penstock(Option<Running>),
    Haproxy { _child: Child, _directory: Directory, at: SocketAddr },
    Direct(SocketAddr),
}

impl Proxy {
    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Penstock(running) => running.as_ref().and_then(|running| running.address("front")).unwrap(),
            Self::Haproxy { at, .. } | Self::Direct(at) => *at,
        }
    }

    /// What penstock counted: the sum over the series of this name with this label (`state="idle"`). `None` where
    /// it is not penstock.
    #[track_caller]
    pub(crate) fn counted(&self, name: &str, label: &str) -> Option<u64> {
        let text = self.metrics()?;
        let series =
            text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        let values: Vec<f64> = series.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no metric is called {name}, with {label}");
        Some(values.iter().sum::<f64>() as u64)
    }

    /// The page of metrics, where it is penstock.
    pub(crate) fn metrics(&self) -> Option<String> {
        let Self::Penstock(running) = self else { return None };
        Some(running.as_ref().unwrap().metrics())
    }

    /// Waits until all clients have left, and asserts that what came from one side went to the other.
    #[track_caller]
    pub(crate) fn carried_all(&self) {
        let counted = |name: &str| self.counted(name, "").unwrap_or_default();
        let open = || self.counted("penstock_backend_connections", "state=\"tunnel\"").unwrap_or_default();
        eventually("all clients have left", || counted("penstock_client_connections") + open() == 0);
        let [up, down] = [["client_received", "backend_sent"], ["backend_received", "client_sent"]]
            .map(|ends| ends.map(|end| counted(&format!("penstock_{end}_bytes_total"))));
        assert!(up[0] == up[1] && down[0] == down[1], "to the member {up:?}, to the client {down:?}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Self::Penstock(running) = self {
            running.take().into_iter().for_each(Running::end);
        }
    }
}

fn has(lines: &[String], wanted: &str) -> bool {
    lines.iter().any(|line| line == wanted)
}

fn unix(socket: &Path) -> String {
    format!("unix:{}", socket.display())
}

fn start(text: &str) -> Running {
    let loaded = config::parse("test.yaml", text, &|_| None).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Running::start(loaded, ConfigSource::Embedded).unwrap()
}

/// HAProxy with these sections, logging to its standard output, listening there.
pub(crate) fn haproxy(directory: &Directory, sections: &str, at: SocketAddr) -> Child {
    let global = "global\n log stdout format raw local0\ndefaults\n mode tcp\n log global\n";
    let times = " timeout connect 10s\n timeout client 100s\n timeout server 100s\n";
    let config = directory.write("haproxy.cfg", format!("{global}{times}{sections}"));
    let mut child = Run::new(HAPROXY, directory.path()).args("-db -f").arg(config).start();
    until_it_listens(&mut child, at);
    child
}
