//! Real servers: those that Debian has and that are known to keep the order do, and cpp-httplib does not.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use penstock::probe::{Software, judge};
use rustix::process::Signal;

use crate::child::{Child, Run};
use crate::command::probe;
use crate::place::{Directory, own_address, until_it_listens};
use crate::program::{Program, are_here};
use crate::quick::quick;

const NGINX: Program = Program::new("nginx", "nginx");
const APACHE: Program = Program::new("apache2", "apache2-bin");
const NODE: Program = Program::new("node", "nodejs");
const PYTHON: Program = Program::new("python3", "python3");
const COMPILER: Program = Program::new("g++", "g++");

/// The short probe passes, and the battery does, with a slow URL where the server has one.
#[track_caller]
fn keeps_the_order(mut child: Child, at: SocketAddr, slow: Option<&str>) -> String {
    until_it_listens(&mut child, at);
    assert_eq!(quick(at), Ok(()));
    let url = format!("http://{at}/it");
    let slow: Vec<_> = slow.into_iter().flat_map(|slow| ["--slow", slow]).collect();
    let (json, code) = probe(&[&[&*url, "--requests", "600"], &slow[..]].concat());
    assert_eq!((&json["verdict"], code), (&"keeps order".into(), 0), "{json:#}");
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

/// The Python that has Twisted: that of Debian where there are several.
fn has_twisted() -> bool {
    let found = Command::new("/usr/bin/python3").args(["-c", "import twisted.web"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let said = "needs Twisted (Debian: python3-twisted)";
    assert!(std::env::var("PENSTOCK_TEST_ALL").as_deref() != Ok("1"), "{said}");
    println!("SKIPPED: {said}");
    false
}

/// Debian has patched 22.4.0, which its `Server` field does not tell: the table has to say no, and the battery yes.
#[test]
fn twisted_keeps_the_order_where_it_is_patched() {
    if !are_here(&[PYTHON]) || !has_twisted() {
        return;
    }
    let (directory, at) = (Directory::new("twisted"), own_address());
    let script = directory.write("server.py", OF_TWISTED);
    let python = Program::new("/usr/bin/python3", "python3");
    let run =
        Run::new(python, directory.path()).arg(script).arg(at.port().to_string()).arg(at.ip().to_string());
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
    let (json, code) = probe(&[&format!("http://{at}/it"), "--requests", "200"]);
    assert_eq!((&json["verdict"], code), (&"drops".into(), 1), "{json:#}");
    let server = json["server"].as_str().unwrap();
    assert!(matches!(judge(server.as_bytes()), Software::Breaks(_)), "{server}");
}
