//! The control socket is private, and a command over it has its answer.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use penstock_origin::Origin;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::binary::{Binary, output};
use crate::support::scrape::Scrape;
use crate::support::stand::{Setup, directory, member_at, origin};
use crate::support::wire::{Wire, eventually, occupy};

/// A port of the kernel's choice.
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A configuration with a control socket in a directory of its own.
fn setup() -> (PathBuf, Setup) {
    let path = directory("control").join("c.sock");
    let setup = Setup::new().top("admin: 127.0.0.1:0").top(&format!("control: unix:{}", path.display()));
    (path, setup)
}

fn started(members: usize) -> (PathBuf, Setup, Origin, Binary) {
    let (path, setup) = setup();
    let origin = origin(members);
    let proxy = Binary::run(&setup.text(origin.addresses()));
    (path, setup, origin, proxy)
}

/// Runs `penstock` with these arguments where the configuration is: its exit code, its stdout, and its stderr.
fn penstock(proxy: &Binary, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = output(arguments, proxy.config.parent().unwrap());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn ask(path: &Path, method: &str, target: &str) -> String {
    let mut socket = UnixStream::connect(path).unwrap();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn reloads(proxy: &Binary, result: &str) -> i64 {
    let page = Wire::connect(proxy.listener("metrics")).get("/metrics");
    Scrape::new(page.text()).sum_of("penstock_config_reloads_total", &[&format!("result=\"{result}\"")])
}

#[test]
fn a_reload_by_command_says_how_many_sources_move() {
    let (_, setup, origin, proxy) = started(3);
    let mut clients: Vec<_> =
        (1..=60).map(|i| Wire::connect_from([127, 78, 0, i].into(), proxy.listener("web"))).collect();
    let met = |clients: &mut Vec<Wire>| -> Vec<_> {
        clients.iter_mut().map(|client| client.get("/hello").member()).collect()
    };
    let before = met(&mut clients);
    let leave = before.iter().filter(|member| *member == "c").count();
    std::fs::write(&proxy.config, setup.text(&origin.addresses()[..2])).unwrap();

    let (code, said, err) = penstock(&proxy, &["reload", "--dry-run"]);
    let moves = format!("{leave} of 60 sources of app move (c to ");
    assert!(
        code == Some(0) && said.contains("config.yaml can be loaded; ") && said.contains(&moves),
        "{said}{err}"
    );
    assert_eq!((met(&mut clients), reloads(&proxy, "ok")), (before.clone(), 0), "nothing has changed");

    let (code, said, err) = penstock(&proxy, &["reload"]);
    assert!(code == Some(0) && said.contains("is in use; ") && said.contains(&moves), "{said}{err}");
    eventually("it is logged, too", || proxy.out().contains(&said.trim_end().to_owned()));
    let after = met(&mut clients);
    assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), leave);
    assert_eq!(reloads(&proxy, "ok"), 1);
}

#[test]
fn a_reload_that_is_rejected_says_why() {
    let (path, setup, origin, proxy) = started(1);
    let control = format!("unix:{}", path.display());
    let good = setup.text(origin.addresses());
    std::fs::write(&proxy.config, format!("{good}    lnks: {{}}\n")).unwrap();
    let (code, said, err) = penstock(&proxy, &["reload"]);
    assert!(
        code == Some(1) && said.is_empty() && err.contains("lnks") && err.contains("was not asked"),
        "{err}"
    );
    assert_eq!(reloads(&proxy, "rejected"), 0);

    let (code, said, err) = penstock(&proxy, &["reload", "--control", &control]);
    assert!(code == Some(1) && said.is_empty(), "{said}");
    assert!(err.contains("lnks") && err.contains("the old one stays in use"), "{err}");
    assert_eq!(reloads(&proxy, "rejected"), 1);
    eventually("it is logged, too", || proxy.err().contains("lnks"));

    for other in ["workers: 5", "admin: off", "control: off"] {
        let (name, _) = other.split_once(':').unwrap();
        let line = |line: &str| if line.starts_with(&format!("{name}:")) { other } else { line }.to_owned();
        let text: Vec<_> = good.lines().map(line).collect();
        std::fs::write(&proxy.config, text.join("\n")).unwrap();
        let (code, _, err) = penstock(&proxy, &["reload", "--control", &control]);
        assert!(code == Some(1) && err.contains(&format!("`{name}` changes only at a restart")), "{err}");
    }
    assert_eq!(Wire::connect(proxy.listener("web")).get("/hello").status, 200);
}

#[test]
fn a_proxy_that_cannot_be_asked_is_named() {
    let origin = origin(1);
    let proxy = Binary::run(&Setup::new().text(origin.addresses()));
    let (code, _, err) = penstock(&proxy, &["reload"]);
    assert!(code == Some(1) && err.contains("config.yaml has no control socket"), "{err}");
    let (code, _, err) = penstock(&proxy, &["reload", "--control", "unix:/nowhere/c.sock"]);
    assert!(
        code == Some(1) && err.contains("cannot ask the proxy at unix:/nowhere/c.sock: No such file"),
        "{err}"
    );
}

#[test]
fn the_socket_is_private_and_goes_with_its_process() {
    let (path, setup, origin, mut proxy) = started(1);
    let found = std::fs::metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let config = directory("second").join("config.yaml");
    std::fs::write(&config, setup.text(origin.addresses())).unwrap();
    let mut second =
        Binary::spawn(&["run", "-c", config.to_str().unwrap()], config.parent().unwrap(), config.clone());
    assert_eq!(second.exit(), Some(1));
    assert!(second.err().contains("penstock: control: cannot bind unix:"), "{}", second.err());
    assert!(ask(&path, "GET", "/healthz").starts_with("HTTP/1.1 200 "), "the first one still answers");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.exit(), Some(0));
    assert!(!path.exists());

    // The file of a process that was killed is in nobody's way.
    let killed = Binary::run(&setup.text(origin.addresses()));
    drop(killed);
    assert!(path.exists());
    let _next = Binary::run(&setup.text(origin.addresses()));
    assert!(ask(&path, "GET", "/healthz").starts_with("HTTP/1.1 200 "));
}

#[test]
fn only_a_post_changes_anything_and_only_on_the_control_socket() {
    let (path, _, _origin, proxy) = started(1);
    for page in ["/reload", "/reload/dry-run"] {
        assert!(ask(&path, "GET", page).starts_with("HTTP/1.1 405 "), "{page}");
        assert!(ask(&path, "POST", page).starts_with("HTTP/1.1 200 "), "{page}");
        let mut admin = Wire::connect(proxy.listener("metrics"));
        assert_eq!(admin.ask("POST", page).status, 404, "{page}");
    }
    assert!(ask(&path, "GET", "/").contains("/reload/dry-run"));
    assert_eq!(reloads(&proxy, "ok"), 1);
}

#[test]
fn a_process_that_drains_takes_no_commands() {
    let (path, _, _origin, mut proxy) = started(1);
    let busy = occupy(proxy.listener("web"));
    eventually("it is at the member", || {
        let page = Wire::connect(proxy.listener("metrics")).get("/metrics");
        Scrape::new(page.text()).sum("penstock_backend_requests_in_flight") == 1
    });
    proxy.signal(Signal::TERM);
    eventually("it drains", || ask(&path, "GET", "/readyz").starts_with("HTTP/1.1 503 "));
    let answer = ask(&path, "POST", "/reload");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("is draining"), "{answer}");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.exit(), Some(0));
    drop(busy);
}

#[test]
fn a_source_is_shown_with_its_member_and_why() {
    let (_, setup) = setup();
    let (a, b) = (member_at("a", LOCAL), member_at("b", LOCAL));
    let members = [("a", a.addresses()[0].1), ("b", b.addresses()[0].1)].map(|(n, at)| (n.to_owned(), at));
    let proxy = Binary::run(&setup.text(&members));
    let at = |source: [u8; 4]| Wire::connect_from(source.into(), proxy.listener("web"));
    let of_b = (1..=255).map(|i| [127, 79, 0, i]).find(|source| at(*source).get("/hello").member() == "b");
    let of_b = of_b.expect("255 sources meet both members");
    let source = of_b.map(|byte| byte.to_string()).join(".");
    let show = |more: &[&str]| {
        let (code, said, err) = penstock(&proxy, &[&["affinity", "show", &source], more].concat());
        assert_eq!(code, Some(0), "{err}");
        said
    };
    eventually("its clients have gone", || show(&[]) == "app: b, its first by hash; it has no clients now\n");

    let mut client = at(of_b);
    client.get("/hello");
    let said = show(&[]);
    assert!(said.starts_with("app: b, its first by hash; connected to b for "), "{said}");
    assert!(said.ends_with(" s, with 1 client\n"), "{said}");

    drop(b);
    eventually("it meets the other one", || {
        client.get("/hello").status == 200
            && {
                let said = show(&[]);
                said.starts_with("app: a, the next in its rank, because b is out (it does not accept connections); connected to a for ")
            }
    });
    let json: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    assert_eq!(json["source"], source.as_str());
    let app = &json["backends"][0];
    assert_eq!((&app["backend"], &app["member"], &app["is_up"]), (&"app".into(), &"a".into(), &true.into()));
    assert_eq!((&app["rank"], &app["present"]["clients"]), (&serde_json::json!(["b", "a"]), &1.into()));
}

#[test]
fn a_source_of_a_backend_without_affinity_has_no_member() {
    let (path, setup) = setup();
    let origin = origin(2);
    let proxy = Binary::run(&setup.backend("affinity: { key: none }").text(origin.addresses()));
    let (code, said, _) = penstock(&proxy, &["affinity", "show", "::1"]);
    assert_eq!(code, Some(0));
    assert_eq!(said, "app: there is no affinity; each new client gets the member with the fewest\n");
    let answer = ask(&path, "GET", "/affinity/localhost");
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("`localhost` is no IP address"),
        "{answer}"
    );
}
