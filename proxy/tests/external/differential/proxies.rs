//! The proxies that are compared, each before a recording member of its own, and each set up as its manual advises.

use std::net::SocketAddr;
use std::process::Command;

use penstock::config;
use penstock::lifecycle::{ConfigSource, Running};

use crate::support::child::{Child, Run};
use crate::support::place::{Directory, own_address, until_it_listens};
use crate::support::program::{Program, are_here};

const NGINX: Program = Program::new("nginx", "nginx");
const HAPROXY: Program = Program::new("haproxy", "haproxy");

/// What runs while its rows are asked.
pub(crate) enum Proxy {
    Penstock(Box<Option<Running>>),
    Program { _child: Child, _directory: Directory, at: SocketAddr },
}

impl Proxy {
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Penstock(running) => {
                running.as_ref().as_ref().and_then(|running| running.address("web")).unwrap()
            }
            Self::Program { at, .. } => *at,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Self::Penstock(running) = self {
            running.take().into_iter().for_each(Running::end);
        }
    }
}

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Penstock,
    Nginx,
    Haproxy,
    /// Not in Debian: it is asked only where `PENSTOCK_ENVOY` says where it is.
    Envoy,
}

impl Kind {
    /// Whether it can be asked here.
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::Penstock => true,
            Self::Nginx => are_here(&[NGINX]),
            Self::Haproxy => are_here(&[HAPROXY]),
            Self::Envoy => std::env::var_os("PENSTOCK_ENVOY").is_some(),
        }
    }

    /// Its name and version, such as `nginx 1.22.1`.
    pub(crate) fn version(self) -> String {
        match self {
            Self::Penstock => "penstock".to_owned(),
            Self::Nginx => format!("nginx {}", version_of(NGINX, "-v", "nginx/")),
            Self::Haproxy => format!("HAProxy {}", version_of(HAPROXY, "-v", "version ")),
            Self::Envoy => format!("Envoy {}", version_of(envoy(), "--version", "/")),
        }
    }

    /// Starts it; penstock with one request at a time on a link, as the others do, or with as many as it likes.
    pub(crate) fn start(self, member: SocketAddr, pipelines: bool) -> Proxy {
        match self {
            Self::Penstock => penstock(member, pipelines),
            Self::Nginx => nginx(member),
            Self::Haproxy => haproxy(member),
            Self::Envoy => start_envoy(member),
        }
    }
}

/// Digits and points behind the last such mark but for Envoy, whose version is the one with a point in it.
fn version_of(program: Program, ask: &str, mark: &str) -> String {
    let output = Command::new(program.path()).arg(ask).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let number =
        |text: &str| -> String { text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect() };
    said.split(mark).skip(1).map(number).find(|version| version.contains('.')).unwrap_or(said)
}

fn penstock(member: SocketAddr, pipelines: bool) -> Proxy {
    let pipeline = if pipelines { "auto" } else { "1" };
    let text = format!(
        // The name is given, as that of the default is another in each process.
        "workers: 1\nadmin: off\nlisteners:\n  web:\n    bind: 127.0.0.1:0\n    backend: app\n    via: penstock\n    \
         timeouts: {{ idle: 2s, head: 2s, body: 2s }}\nbackends:\n  app:\n    response_timeout: 4s\n    \
         links: {{ pipeline: {pipeline} }}\n    \
         members: {{ a: \"{member}\" }}\n"
    );
    let loaded = config::parse("test.yaml", &text, &|_| None).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Proxy::Penstock(Box::new(Some(Running::start(loaded, ConfigSource::Embedded).unwrap())))
}

/// As in its manual for keep-alive to members, for WebSocket, and for the client's address.
fn nginx(member: SocketAddr) -> Proxy {
    let (directory, at) = (Directory::new("nginx"), own_address());
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|t| format!("{t}_temp_path {t};\n"));
    let config = format!(
        "daemon off; master_process off; pid pid; error_log stderr crit;\nevents {{}}\nhttp {{\n{}\
         access_log off;\nmap $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
         client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 2s;\n\
         upstream app {{ server {member}; keepalive 8; }}\n\
         server {{ listen {at}; location / {{\nproxy_pass http://app; proxy_http_version 1.1;\n\
         proxy_set_header Host $host;\nproxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection $connection_upgrade;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\nproxy_read_timeout 2s;\n}} }}\n}}\n",
        temporary.concat(),
    );
    let config = directory.write("nginx.conf", config);
    let run = Run::new(NGINX, directory.path()).args("-e stderr -p").arg(directory.path());
    running(run.arg("-c").arg(config), directory, at)
}

fn haproxy(member: SocketAddr) -> Proxy {
    let (directory, at) = (Directory::new("haproxy"), own_address());
    let config = format!(
        "global\n log stdout format raw local0\ndefaults\n mode http\n option http-keep-alive\n \
         option forwardfor\n timeout connect 10s\n timeout client 2s\n timeout server 4s\n \
         timeout http-request 2s\n timeout http-keep-alive 2s\n timeout tunnel 4s\n\
         frontend web\n bind {at}\n default_backend app\n\
         backend app\n http-reuse always\n server a {member}\n"
    );
    let config = directory.write("haproxy.cfg", config);
    running(Run::new(HAPROXY, directory.path()).args("-db -f").arg(config), directory, at)
}

fn running(run: Run, directory: Directory, at: SocketAddr) -> Proxy {
    let mut child = run.start();
    until_it_listens(&mut child, at);
    Proxy::Program { _child: child, _directory: directory, at }
}

fn envoy() -> Program {
    let path = std::env::var("PENSTOCK_ENVOY").expect("it is asked only where this is said");
    Program::new(Box::leak(path.into_boxed_str()), "envoy")
}

/// As its documentation advises for the edge, with WebSocket.
fn start_envoy(member: SocketAddr) -> Proxy {
    let (directory, at) = (Directory::new("envoy"), own_address());
    let address = |at: SocketAddr| {
        format!("{{ socket_address: {{ address: {}, port_value: {} }} }}", at.ip(), at.port())
    };
    let config =
        include_str!("envoy.yaml").replace("LISTEN", &address(at)).replace("MEMBER", &address(member));
    let config = directory.write("envoy.yaml", config);
    let run = Run::new(envoy(), directory.path()).args("--disable-hot-restart --concurrency 1 -l error -c");
    running(run.arg(config), directory, at)
}
