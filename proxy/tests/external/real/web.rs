//! nginx, which tells each client what it knows of it, and a client that asks it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use crate::support::child::{Child, Run};
use crate::support::place::{Directory, connect_from, own_address, until_it_listens};
use crate::support::program::Program;

pub(crate) const NGINX: Program = Program::new("nginx", "nginx");

/// A server with two addresses that want a PROXY header, and one that wants none.
pub(crate) struct Nginx {
    _child: Child,
    pub(crate) headed: [SocketAddr; 2],
    pub(crate) plain: SocketAddr,
    log: PathBuf,
    _directory: Directory,
}

impl Nginx {
    pub(crate) fn start() -> Self {
        let directory = Directory::new("nginx");
        let (headed, plain) = ([own_address(), own_address()], own_address());
        let config = directory.write("nginx.conf", config(headed, plain));
        let run = Run::new(NGINX, directory.path()).args("-e stderr -p").arg(directory.path());
        let mut child = run.arg("-c").arg(config).start();
        [headed[0], headed[1], plain].into_iter().for_each(|at| until_it_listens(&mut child, at));
        Self { _child: child, headed, plain, log: directory.join("log"), _directory: directory }
    }

    /// The lines of its log: source, destination and path of each request, as the PROXY header told.
    pub(crate) fn log(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log).unwrap().lines().map(str::to_owned).collect()
    }
}

fn config(headed: [SocketAddr; 2], plain: SocketAddr) -> String {
    let seen =
        "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port";
    let headed = headed.map(|at| {
        format!(
            "server {{ listen {at} proxy_protocol; location / {{ return 200 '{seen} $server_addr\\n'; }} }}\n"
        )
    });
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|t| format!("{t}_temp_path {t};\n"));
    format!(
        "daemon off; master_process off; pid pid; error_log stderr;\nevents {{}}\nhttp {{\n{}\
         log_format seen '{seen} $request_uri'; access_log log seen;\n{}\
         server {{ listen {plain}; location / {{ return 200 '$http_x_forwarded_for\\n'; }} }}\n}}\n",
        temporary.concat(),
        headed.concat(),
    )
}

/// A client that asks once.
pub(crate) struct Browser(TcpStream);

impl Browser {
    pub(crate) fn from(source: [u8; 4], to: SocketAddr) -> Self {
        Self(connect_from(source, to))
    }

    /// Its address and port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The words of the answer.
    #[track_caller]
    pub(crate) fn get(mut self, path: &str) -> Vec<String> {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        body.split_whitespace().map(str::to_owned).collect()
    }
}
