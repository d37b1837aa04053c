//! Real servers, which answer a request with its own id: nginx, Apache httpd, Node.js, Twisted and cpp-httplib.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::support::child::{Child, Run};
use crate::support::place::{Directory, own_address, until_it_listens};
use crate::support::program::{DEBIAN_PYTHON, Program, are_here, has_twisted};

const NGINX: Program = Program::new("nginx", "nginx");
const APACHE: Program = Program::new("apache2", "apache2-bin");
const NODE: Program = Program::new("node", "nodejs");
const SETPRIV: Program = Program::new("setpriv", "util-linux");
const COMPILER: Program = Program::new("g++", "g++");
const HTTPLIB: Program = Program::new("../include/httplib.h", "libcpp-httplib-dev");

/// A server that runs; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    _child: Child,
    _directory: Directory,
}

impl Server {
    fn start(directory: Directory, at: SocketAddr, run: Run) -> Self {
        let mut child = run.start();
        until_it_listens(&mut child, at);
        Self { at, _child: child, _directory: directory }
    }

    /// A script or a program that takes a port and an address.
    fn start_told(directory: Directory, run: Run) -> Self {
        let at = own_address();
        Self::start(directory, at, run.arg(at.port().to_string()).arg(at.ip().to_string()))
    }

    pub(crate) fn nginx() -> Option<Self> {
        if !are_here(&[SETPRIV, NGINX]) {
            return None;
        }
        let (directory, at) = (Directory::new("nginx"), own_address());
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|t| format!("{t}_temp_path {t};\n"));
        let config = format!(
            "daemon off; master_process off; pid pid; error_log stderr;\nevents {{}}\nhttp {{\n{}access_log off;\n\
             server {{ listen {at} backlog=4096; keepalive_requests 1000000;\n\
             location / {{ return 200 $request_uri; }}\n\
             location /echo {{ add_header X-Id $args; return 200 $args; }} }}\n}}\n",
            temporary.concat()
        );
        let config = directory.write("nginx.conf", config);
        let run = Run::new(NGINX, directory.path()).args("-e stderr -p").arg(directory.path());
        Some(Self::start(directory, at, run.arg("-c").arg(config)))
    }

    /// Its answers have no content, but a field with the id.
    pub(crate) fn apache() -> Option<Self> {
        if !are_here(&[SETPRIV, APACHE]) {
            return None;
        }
        let (directory, at) = (Directory::new("apache"), own_address());
        let modules = ["mpm_event", "authz_core", "headers"]
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
        let home = directory.path().display();
        let config = format!(
            "{}ServerRoot {home}\nPidFile {home}/pid\nErrorLog {home}/errors\nDefaultRuntimeDir {home}\n\
             Listen {at}\nServerName test\nDocumentRoot {home}\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60\n\
             Header always set X-Id \"expr=%{{QUERY_STRING}}\"\n\
             <Directory {home}>\nRequire all granted\n</Directory>\n",
            modules.concat()
        );
        directory.write("echo", "");
        let config = directory.write("apache.conf", config);
        let run = Run::new(APACHE, directory.path()).args("-D FOREGROUND -f").arg(config);
        Some(Self::start(directory, at, run))
    }

    pub(crate) fn node() -> Option<Self> {
        if !are_here(&[SETPRIV, NODE]) {
            return None;
        }
        let directory = Directory::new("node");
        let script = directory.write("server.js", include_str!("server.js"));
        let run = Run::new(NODE, directory.path()).arg(script);
        Some(Self::start_told(directory, run))
    }

    pub(crate) fn twisted() -> Option<Self> {
        if !are_here(&[SETPRIV, DEBIAN_PYTHON]) || !has_twisted() {
            return None;
        }
        let directory = Directory::new("twisted");
        let script = directory.write("twisted_server.py", include_str!("twisted_server.py"));
        let run = Run::new(DEBIAN_PYTHON, directory.path()).arg(script);
        Some(Self::start_told(directory, run))
    }

    pub(crate) fn httplib() -> Option<Self> {
        if !are_here(&[SETPRIV, COMPILER, HTTPLIB]) {
            return None;
        }
        static BUILT: OnceLock<Program> = OnceLock::new();
        let program = *BUILT.get_or_init(build);
        let directory = Directory::new("httplib");
        let run = Run::new(program, directory.path()).ended_by(Signal::KILL);
        Some(Self::start_told(directory, run))
    }
}

/// Builds the server of cpp-httplib below `target/`, unless it is there already: that takes seconds.
fn build() -> Program {
    const SOURCE: &str = include_str!("httplib_server.cc");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let [built, built_from] = ["httplib-server", "httplib-server.cc"].map(|name| place.join(name));
    if !built.is_file() || std::fs::read_to_string(&built_from).ok().as_deref() != Some(SOURCE) {
        let directory = Directory::new("httplib-build");
        let source = directory.write("httplib_server.cc", SOURCE);
        let run = Run::new(COMPILER, directory.path()).args("-O0 -o server").arg(&source);
        run.args("-lcpp-httplib -lpthread").succeed();
        // The program last, so that it is never an older one.
        std::fs::rename(source, built_from).unwrap();
        std::fs::rename(directory.join("server"), &built).unwrap();
    }
    Program::new(built.to_str().unwrap().to_owned().leak(), "none: it was just built")
}
