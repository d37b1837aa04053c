//! The configurations in `examples/` do what their heads say: every command there is run, before the servers that it
//! names, and prints what stands below it. Only addresses are others, so that tests can run side by side.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use penstock::config;

use crate::real::database::Postgres;
use crate::real::redis::{BENCHMARK, CLI, SERVER};
use crate::support::child::{Child, Run};
use crate::support::place::{Directory, own_address};
use crate::support::program::{Program, are_here};

const SHELL: Program = Program::new("sh", "dash");
const CURL: Program = Program::new("curl", "curl");

/// Every example has a test here.
const ALL: [&str; 7] = [
    "postgresql.yaml",
    "redis.yaml",
    "routes.yaml",
    "sticky-http.yaml",
    "tcp-proxy-protocol.yaml",
    "two-tiers-edge.yaml",
    "two-tiers-inner.yaml",
];

#[test]
fn sticky_http_keeps_a_client_with_its_member() {
    if are_here(&[CURL]) {
        Example::new(&["sticky-http.yaml"], &[]).plays();
    }
}

#[test]
fn routes_choose_the_service() {
    if are_here(&[CURL]) {
        Example::new(&["routes.yaml"], &[]).plays();
    }
}

#[test]
fn clients_of_redis_share_links() {
    if are_here(&[SERVER, CLI, BENCHMARK]) {
        Example::new(&["redis.yaml"], &[]).plays();
    }
}

#[test]
fn a_tcp_service_learns_who_its_client_is() {
    if are_here(&[CURL]) {
        Example::new(&["tcp-proxy-protocol.yaml"], &[]).plays();
    }
}

#[test]
fn postgresql_answers_through_it() {
    if !are_here(&[CURL]) {
        return;
    }
    let Some(server) = Postgres::start() else { return };
    Example::new(&["postgresql.yaml"], &[(5433, server.at)]).plays();
}

#[test]
fn two_tiers_know_the_client() {
    if are_here(&[CURL]) {
        Example::new(&["two-tiers-edge.yaml", "two-tiers-inner.yaml"], &[]).plays();
    }
}

#[test]
fn each_example_is_played_and_listed() {
    let mut found: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    found.sort();
    assert_eq!(found, ALL, "give a new example a test");
    let list = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for name in ALL {
        assert!(list.contains(&format!("({name})")), "examples/README.md does not list {name}");
    }
}

#[test]
fn an_answer_that_differs_is_noticed() {
    for (pattern, line) in
        [("a", "a"), ("a ...", "a b c"), ("...c", "abc"), ("a...c...e", "abcde"), ("...", "")]
    {
        assert!(matches(pattern, line), "{pattern} and {line}");
    }
    for (pattern, line) in
        [("a", "b"), ("a", "a b"), ("a...", "b"), ("a...c", "ab"), ("a...b...c", "ac"), ("a...a", "a")]
    {
        assert!(!matches(pattern, line), "{pattern} and {line}");
    }
    let text =
        "# Prose.\n#\n#   $ one &\n#   $ two\n#   2\n#   3\n#\n# More.\n#   $ three\nadmin: off\n#   $ no\n";
    let told: Vec<_> =
        steps(text).into_iter().map(|step| (step.command, step.background, step.expected)).collect();
    let expected = [("one", true, vec![]), ("two", false, vec!["2", "3"]), ("three", false, vec![])];
    let expected = expected.map(|(command, background, lines)| {
        (command.to_owned(), background, lines.into_iter().map(str::to_owned).collect::<Vec<_>>())
    });
    assert_eq!(told, expected);
    let places = Places(BTreeMap::from([(80, "127.1.1.1:90".parse().unwrap())]));
    let moved = places.moved("x -h 127.0.0.1 -p 80 127.0.0.1:80 127.0.0.1:8080 --port 80\n");
    assert_eq!(moved, "x -h 127.1.1.1 -p 90 127.1.1.1:90 127.0.0.1:8080 --bind 127.1.1.1 --port 90\n");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// One example, in a directory where it is found under the name that its commands give it.
struct Example {
    directory: Directory,
    steps: Vec<Step>,
}

impl Example {
    /// The first file tells what to do. `given` says for some ports where a server listens already.
    fn new(files: &[&str], given: &[(u16, SocketAddr)]) -> Self {
        let directory = Directory::new("example");
        std::fs::create_dir(directory.join("examples")).unwrap();
        let texts: Vec<_> =
            files.iter().map(|file| std::fs::read_to_string(folder().join(file)).unwrap()).collect();
        let places = Places::of(&texts.concat(), given);
        for (file, text) in files.iter().zip(&texts) {
            let loaded = config::parse(file, text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
            let text = places.moved(text);
            directory.write(&format!("examples/{file}"), text);
        }
        let steps = steps(&places.moved(&texts[0]));
        assert!(steps.iter().any(|step| !step.expected.is_empty()), "{files:?} tell nothing to try");
        Self { directory, steps }
    }

    /// Runs every command, and compares what it prints.
    #[track_caller]
    fn plays(&self) {
        let mut running: Vec<Child> = Vec::new();
        for Step { command, background, expected } in &self.steps {
            if *background {
                running.push(self.until_ready(command));
                continue;
            }
            let said = self.shell(command).succeed();
            let lines: Vec<_> = said.lines().map(str::trim).collect();
            let same = lines.len() == expected.len()
                && expected.iter().zip(&lines).all(|(pattern, line)| matches(pattern, line));
            assert!(same, "$ {command}\nprinted\n{said}\nand not\n{}", expected.join("\n"));
        }
        assert!(running.iter_mut().all(Child::runs), "a program of the example has ended");
    }

    fn until_ready(&self, command: &str) -> Child {
        let mut child = self.shell(&format!("exec {command}")).start();
        let ready = match command.split(' ').next() {
            Some("penstock") => "metrics  http://",
            Some("redis-server") => "Ready to accept connections",
            _ => panic!("this test does not know when `{command}` is ready"),
        };
        child.until_it_says(ready);
        child
    }

    /// A shell in which `penstock` is the one that was built.
    fn shell(&self, command: &str) -> Run {
        let built = Path::new(env!("CARGO_BIN_EXE_penstock")).parent().unwrap().to_owned();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(built).chain(std::env::split_paths(&others))).unwrap();
        Run::new(SHELL, self.directory.path()).env("PATH", path).arg("-c").arg(command)
    }
}

/// One command of a head.
struct Step {
    command: String,
    background: bool,
    /// The lines that it prints, in which `...` stands for anything.
    expected: Vec<String>,
}

/// The commands in the comment that a file begins with: indented by three blanks, after a `$`.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let head = text.lines().map_while(|line| line.strip_prefix('#'));
    for line in head.filter_map(|line| line.strip_prefix("   ")) {
        if let Some(command) = line.strip_prefix("$ ") {
            let (command, background) =
                command.strip_suffix(" &").map_or((command, false), |command| (command, true));
            steps.push(Step { command: command.to_owned(), background, expected: Vec::new() });
        } else {
            steps.last_mut().unwrap().expected.push(line.to_owned());
        }
    }
    steps
}

fn matches(pattern: &str, line: &str) -> bool {
    let Some((before, after)) = pattern.split_once("...") else { return pattern == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(after, &rest[at..]))
}

/// Where each port of 127.0.0.1 that an example names is in this test.
struct Places(BTreeMap<u16, SocketAddr>);

impl Places {
    fn of(text: &str, given: &[(u16, SocketAddr)]) -> Self {
        let named = text.split("127.0.0.1:").skip(1);
        let ports = named.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        let mut places: BTreeMap<_, _> = ports.map(|port| (port, own_address())).collect();
        places.extend(given.iter().copied());
        Self(places)
    }

    fn moved(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (port, at) in &self.0 {
            let (ip, new) = (at.ip(), at.port());
            for (from, to) in [
                (format!("127.0.0.1:{port}"), at.to_string()),
                (format!("-h 127.0.0.1 -p {port}"), format!("-h {ip} -p {new}")),
                (format!("--port {port}"), format!("--bind {ip} --port {new}")),
            ] {
                text = replaced(&text, &from, &to);
            }
        }
        text
    }
}

/// As `str::replace`, but for where a digit follows.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let mut parts = text.split(from);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += if part.starts_with(|c: char| c.is_ascii_digit()) { from } else { to };
        out += part;
    }
    out
}
