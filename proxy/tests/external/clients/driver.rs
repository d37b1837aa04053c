//! ChromeDriver: a browser that does as it is told, by the WebDriver protocol (w3.org/TR/webdriver2).

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::child::{Child, Run};
use crate::support::place::Directory;
use crate::support::program::Program;

pub(crate) const CHROMIUM: Program = Program::new("chromium", "chromium");
pub(crate) const CHROMEDRIVER: Program = Program::new("chromedriver", "chromium-driver");

/// Without the background ones, it would ask its maker for this and that.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox", // root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one window. It has ended when this is dropped, with its driver.
pub(crate) struct Browser {
    _driver: Child,
    at: SocketAddr,
    window: String,
}

impl Browser {
    pub(crate) fn start(directory: &Directory) -> Self {
        let mut driver = Run::new(CHROMEDRIVER, directory.path()).args("--port=0").start();
        driver.until_it_says("started successfully on port ");
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&driver.out())));
        let profile = format!("--user-data-dir={}", directory.join("profile").display());
        let flags: Vec<_> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let options = json!({ "binary": CHROMIUM.path(), "args": flags });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let window = ask(at, "POST", "/session", Some(&wanted))["sessionId"].as_str().unwrap().to_owned();
        Self { _driver: driver, at, window }
    }

    /// Loads a page.
    pub(crate) fn visit(&self, url: &str) {
        self.command("POST", "/url", Some(&json!({ "url": url })));
    }

    pub(crate) fn title(&self) -> String {
        self.command("GET", "/title", None).as_str().unwrap().to_owned()
    }

    /// The value of a JavaScript expression.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = json!({ "script": format!("return {expression}"), "args": [] });
        self.command("POST", "/execute/sync", Some(&script))
    }

    /// Ends the browser, and waits until it has.
    pub(crate) fn quit(self) {
        self.command("DELETE", "", None);
    }

    fn command(&self, method: &str, what: &str, content: Option<&Value>) -> Value {
        ask(self.at, method, &format!("/session/{}{what}", self.window), content)
    }
}

fn port(said: &str) -> u16 {
    let (_, rest) = said.split_once("started successfully on port ").unwrap();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// One request, which has to be answered with 200; gives its `value`.
#[track_caller]
fn ask(at: SocketAddr, method: &str, path: &str, content: Option<&Value>) -> Value {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    let content = content.map(Value::to_string).unwrap_or_default();
    let length = content.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + &content).as_bytes()).unwrap();
    let (head, json) = answer(&mut BufReader::new(stream));
    assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {head}{json}");
    serde_json::from_str::<Value>(&json).unwrap()["value"].take()
}

/// Head and content, by its length: ChromeDriver keeps the connection whatever it is asked.
fn answer(stream: &mut impl BufRead) -> (String, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "it ended after {head:?}");
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
    let mut content = vec![0; length.trim().parse().unwrap()];
    stream.read_exact(&mut content).unwrap();
    (head, String::from_utf8(content).unwrap())
}
