//! Real servers: those that Debian has and that are known to keep the order do, and cpp-httplib does not.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use penstock::config::{Address, parse};
use penstock::probe::{self, Fault, Software, judge};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::child::{Child, Run};
use crate::support::place::{Directory, own_address, until_it_listens};
use crate::support::program::{DEBIAN_PYTHON, Program, are_here, has_twisted};

const NGINX: Program = Program::new("nginx", "nginx");
const APACHE: Program = Program::new("apache2", "apache2-bin");
const NODE: Program = Program::new("node", "nodejs");
const COMPILER: Program = Program::new("g++", "g++");

/// Probes an address as a worker's helper thread would.
fn quick(at: SocketAddr) -> Result<(), Fault> {
    let config = format!(
        "listeners: {{ l: {{ bind: 127.0.0.1:0, backend: b }} }}\nbackends: {{ b: {{ members: {{ m: {at} }} }} }}\n"
    );
    let settings = parse("test", &config, &|_| None).unwrap_or_else(|why| panic!("{why}")).settings;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(probe::quick(&Address::from(at), &settings.backends[0]))
}

/// What `penstock probe` says, and its exit code.
#[track_caller]
fn battery(arguments: &[&str]) -> (Value, Option<i32>) {
    let command = ["probe", "--json"].iter().chain(arguments);
    let output = Command::new(env!("CARGO_BIN_EXE_penstock")).args(command).output().unwrap();
    let json = serde_json::from_slice(&output.stdout);
    (json.unwrap_or_else(|why| panic!("{why}: {output:?}")), output.status.code())
}

/// The short probe passes, and the battery does, with a slow URL where the server has one.
#[track_caller]
fn keeps_the_order(mut child: Child, at: SocketAddr, slow: Option<&str>) -> String {
    until_it_listens(&mut child, at);
    assert_eq!(quick(at), Ok(()));
    let url = format!("http://{at}/it");
    let slow: Vec<_> = slow.into_iter().flat_map(|slow| ["--slow", slow]).collect();
    let (json, code) = battery(&[&[&*url, "--requests", "600"], &slow[..]].concat());
    assert_eq!((&json["verdict"], code), (&"keeps order".into(), Some(0)), "{json:#}");
    json["server"].as_str().unwrap().to_owned()
}

#[track_caller]
fn is_known_to_keep_order(server: &str) {
    assert!(matches!(judge(server.as_bytes()), Software::KeepsOrder(_)), "{server}");
}

#[test]
fn nginx_keeps_the_order() {
    if !are_here(&[NGINX]) {
        return;
    }
    let (directory, at) = (Directory::new("nginx"), own_address());
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|t| format!("{t}_temp_path {t};\n"));
    let config = format!(
        "daemon off; master_process off; pid pid; error_log stderr;\nevents {{}}\nhttp {{\n{} access_log off;\n\
         server {{ listen {at}; root {}; location /said/ {{ return 200 $request_uri; }} }}\n}}\n",
        temporary.concat(),
        directory.path().display()
    );
    directory.write("index.html", "<p>nginx</p>\n");
    let config = directory.write("nginx.conf", config);
    let run =
        Run::new(NGINX, directory.path()).args("-e stderr -p").arg(directory.path()).arg("-c").arg(config);
    is_known_to_keep_order(&keeps_the_order(run.start(), at, None));
}

#[test]
fn apache_keeps_the_order() {
    if !are_here(&[APACHE]) {
        return;
    }
    let (directory, at) = (Directory::new("apache"), own_address());
    directory.write("index.html", "<p>Apache</p>\n");
    let modules = ["mpm_event", "authz_core", "dir", "mime"];
    let there = |name: &&&str| Path::new(&format!("/usr/lib/apache2/modules/mod_{name}.so")).exists();
    let modules = modules.iter().filter(there);
    let modules: String = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    let home = directory.path().display();
    directory.write("types", "text/html html\n");
    let config = format!(
        "{modules}ServerRoot {home}\nPidFile {home}/pid\nErrorLog {home}/errors\nDefaultRuntimeDir {home}\n\
         Listen {at}\nServerName test\nDocumentRoot {home}\nDirectoryIndex index.html\nTypesConfig {home}/types\n\
         <Directory {home}>\nRequire all granted\n</Directory>\n"
    );
    let config = directory.write("apache.conf", config);
    let run = Run::new(APACHE, directory.path()).args("-D FOREGROUND -f").arg(config);
    is_known_to_keep_order(&keeps_the_order(run.start(), at, None));
}

/// One answer in twenty is deferred, and `/slow` takes its time.
const OF_NODE: &str = "
const [port, host] = process.argv.slice(2);
let count = 0;
require('http').createServer((asked, answer) => {
  answer.setHeader('Server', 'node');
  const late = asked.url.startsWith('/slow') ? 60 : ++count % 20 ? 0 : 1;
  if (late) setTimeout(() => answer.end(asked.url), late); else answer.end(asked.url);
}).listen(+port, host);
";

#[test]
fn node_keeps_the_order() {
    if !are_here(&[NODE]) {
        return;
    }
    let (directory, at) = (Directory::new("node"), own_address());
    let script = directory.write("server.js", OF_NODE);
    let run =
        Run::new(NODE, directory.path()).arg(script).arg(at.port().to_string()).arg(at.ip().to_string());
    is_known_to_keep_order(&keeps_the_order(run.start(), at, Some("/slow")));
}

const OF_TWISTED: &str = "
import itertools, sys
from twisted.internet import reactor
from twisted.web import resource, server

count = itertools.count()

class All(resource.Resource):
    isLeaf = True
    def render_GET(self, request):
        late = .06 if request.uri.startswith(b'/slow') else .0003 if next(count) % 20 == 19 else 0
        if not late:
            return request.uri
        reactor.callLater(late, lambda: (request.write(request.uri), request.finish()))
        return server.NOT_DONE_YET

reactor.listenTCP(int(sys.argv[1]), server.Site(All()), interface=sys.argv[2])
reactor.run()
";

/// Debian has patched 22.4.0, which its `Server` field does not tell: the table has to say no, and the battery yes.
#[test]
fn twisted_keeps_the_order_where_it_is_patched() {
    if !are_here(&[DEBIAN_PYTHON]) || !has_twisted() {
        return;
    }
    let (directory, at) = (Directory::new("twisted"), own_address());
    let script = directory.write("server.py", OF_TWISTED);
    let run = Run::new(DEBIAN_PYTHON, directory.path())
        .arg(script)
        .arg(at.port().to_string())
        .arg(at.ip().to_string());
    let server = keeps_the_order(run.start(), at, Some("/slow"));
    assert!(server.starts_with("TwistedWeb/"), "{server}");
}

const OF_HTTPLIB: &str = "
#include <httplib.h>
#include <cstdlib>
int main(int, char **words) {
  httplib::Server server;
  server.Get(\".*\", [](const httplib::Request &asked, httplib::Response &answer) {
    answer.set_header(\"Server\", \"cpp-httplib\");
    answer.set_content(asked.target, \"text/plain\");
  });
  return server.listen(words[2], std::atoi(words[1])) ? 0 : 1;
}
";

#[test]
fn cpp_httplib_drops_requests() {
    if !are_here(&[COMPILER, Program::new("../include/httplib.h", "libcpp-httplib-dev")]) {
        return;
    }
    let (directory, at) = (Directory::new("httplib"), own_address());
    let source = directory.write("server.cpp", OF_HTTPLIB);
    let built = Run::new(COMPILER, directory.path()).args("-O0 -o server").arg(source);
    built.args("-lcpp-httplib -lpthread").succeed();
    let path = directory.join("server");
    let server = Program::new(Box::leak(path.to_str().unwrap().into()), "g++");
    let run = Run::new(server, directory.path()).arg(at.port().to_string()).arg(at.ip().to_string());
    let mut child = run.ended_by(Signal::KILL).start();
    until_it_listens(&mut child, at);
    assert!(quick(at).is_err());
    let (json, code) = battery(&[&format!("http://{at}/it"), "--requests", "200"]);
    assert_eq!((&json["verdict"], code), (&"drops".into(), Some(1)), "{json:#}");
    let server = json["server"].as_str().unwrap();
    assert!(matches!(judge(server.as_bytes()), Software::Breaks(_)), "{server}");
}
