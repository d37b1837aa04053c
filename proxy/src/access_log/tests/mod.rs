//! Tests the access log, with the parts that the tests share: a record, and a proxy that consists of its logs.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::{Log, LogRecord, LogWriter, Logs, RequestSummary};
use crate::config::{AccessLog, LogFormat, LogTo};
use crate::event_loop::EventLoop;
use crate::metrics::{ListenerCells, LogFault, LogLine, ProcessCells, Registry};

mod files;
mod lines;
mod numbers;
mod pens;
mod torn;

/// Returns a request such as a browser sends.
fn noted() -> RequestSummary {
    RequestSummary {
        method: "GET".into(),
        target: "/a/b?c=d".into(),
        minor_version: 1,
        host: Some((*b"example.com:8080").into()),
        user_agent: Some((*b"Mozilla/5.0 (X11)").into()),
        referer: Some((*b"http://example.com/").into()),
    }
}

fn entry(request: Option<&RequestSummary>) -> LogRecord<'_> {
    LogRecord {
        began: UNIX_EPOCH + Duration::from_millis(1_795_328_621_007),
        source: IpAddr::from([203, 0, 113, 7]),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        listener: "web",
        backend: "app",
        member: Some("a1"),
        request,
        status: 200,
        cause: None,
        received: 0,
        sent: 1234,
        duration: 1_234_567,
        service: 1_000_999,
        ordinal: 3,
    }
}

fn settings(to: &LogTo, format: LogFormat, one_of: u32) -> Arc<AccessLog> {
    Arc::new(AccessLog { to: to.clone(), format, one_of: one_of.try_into().unwrap() })
}

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("penstock-access-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn to(&self, name: &str) -> LogTo {
        LogTo::File(self.0.join(name))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    /// Makes a named pipe.
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A proxy that consists of its logs.
struct World {
    registry: Registry,
    logs: Logs,
    event_loop: Rc<EventLoop>,
    cells: Arc<ListenerCells>,
}

impl World {
    fn new() -> Self {
        let registry = Registry::new(1);
        let (logs, cells) = (Logs::new(registry.process()), registry.listener(0, "web"));
        Self { registry, logs, event_loop: EventLoop::new(), cells }
    }

    fn log(&self, to: &LogTo) -> Arc<Log> {
        self.logs.open(to).unwrap()
    }

    fn log_writer(&self, to: &LogTo) -> Rc<LogWriter> {
        let settings = settings(to, LogFormat::Json, 1);
        LogWriter::new(&self.event_loop, self.log(to), settings, self.cells.clone())
    }

    fn lines(&self, what: LogLine) -> u64 {
        self.cells.log_lines[what].get()
    }

    fn process(&self) -> Arc<ProcessCells> {
        self.registry.process()
    }

    fn faults(&self, what: LogFault) -> u64 {
        self.process().log_faults[what].get()
    }
}

/// Waits up to a minute until `done` holds.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Writes one line for each number, with the number as its ordinal.
fn write_numbered(log_writer: &LogWriter, numbers: std::ops::Range<u32>) {
    let noted = noted();
    for ordinal in numbers {
        log_writer.write(&LogRecord { ordinal, ..entry(Some(&noted)) });
    }
}

/// Returns the ordinals of all lines, and panics if a line is incomplete.
fn ordinals(text: &str) -> Vec<u64> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is torn");
    let parsed = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
    parsed.map(|line| line["ordinal"].as_u64().unwrap()).collect()
}

fn append(path: &Path, text: &str) {
    std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}
