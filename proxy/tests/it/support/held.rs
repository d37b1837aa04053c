//! A member that answers at once, except what its test holds back: time passes when the test says so.

use std::collections::HashSet;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};

use super::script::Script;
use super::stand::Proxy;
use super::wire::{PATIENCE, Wire, eventually, request};

/// Answers each request with its target, or what it was told to; what is asked below `/slow` waits to be let go.
pub(crate) struct Held {
    script: Script,
    desk: Arc<Desk>,
}

#[derive(Default)]
struct Desk {
    seen: Mutex<Vec<(usize, String)>>,
    /// Which held answers may go; [`ALL`] of them.
    free: Mutex<HashSet<String>>,
    freed: Condvar,
}

const ALL: &str = "";

impl Held {
    pub(crate) fn start() -> Self {
        Self::answering(|target| target.as_bytes().to_vec())
    }

    pub(crate) fn answering(body: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let desk = Arc::new(Desk::default());
        let own = desk.clone();
        let script = Script::start(move |link, wire| own.serve(link, wire, &body));
        Self { script, desk }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.script.address
    }

    /// Lets the answer to this target go, now or when it is asked for.
    pub(crate) fn let_go(&self, target: &str) {
        self.desk.free.lock().unwrap().insert(target.to_owned());
        self.desk.freed.notify_all();
    }

    /// On which links it was asked for this (`GET /slow`), as often as it was.
    pub(crate) fn links_of(&self, line: &str) -> Vec<usize> {
        let seen = self.desk.seen.lock().unwrap();
        seen.iter().filter(|(_, other)| other == line).map(|(link, _)| *link).collect()
    }

    /// Has the head of a link, one that was used before, held back. Its client.
    pub(crate) fn hold_up(&self, proxy: &Proxy, target: &str) -> Wire {
        proxy.client().get("/first");
        self.occupy(proxy, "GET", target)
    }

    /// Has a request held back on whatever link takes it. Its client.
    pub(crate) fn occupy(&self, proxy: &Proxy, method: &str, target: &str) -> Wire {
        let mut client = proxy.client();
        client.send(request(method, target));
        eventually("it has come to the member", || !self.links_of(&format!("{method} {target}")).is_empty());
        client
    }
}

impl Desk {
    fn serve(&self, link: usize, mut wire: Wire, body: &impl Fn(&str) -> Vec<u8>) {
        while let Some(head) = wire.next_head() {
            let line = head.split(" HTTP").next().unwrap();
            let (method, target) = line.split_once(' ').unwrap();
            self.seen.lock().unwrap().push((link, line.to_owned()));
            if target.starts_with("/slow") {
                self.wait(target);
            }
            let body = if method == "HEAD" { Vec::new() } else { body(target) };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            if wire.stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
                return;
            }
        }
    }

    fn wait(&self, target: &str) {
        let free = self.free.lock().unwrap();
        let held = |free: &mut HashSet<String>| !free.contains(target) && !free.contains(ALL);
        _ = self.freed.wait_timeout_while(free, 3 * PATIENCE, held).unwrap(); // whoever waits for it fails first
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go(ALL);
    }
}

/// Clients that each ask for `/quick/<i>`, behind whatever is on the links.
pub(crate) fn line_up(proxy: &Proxy, method: &str, count: usize) -> Vec<Wire> {
    let mut clients: Vec<_> = (0..count).map(|_| proxy.client()).collect();
    clients.iter_mut().enumerate().for_each(|(i, client)| {
        client.send(request(method, &quick(i)));
    });
    clients
}

pub(crate) fn quick(i: usize) -> String {
    format!("/quick/{i}")
}

/// Each of those who lined up gets its own answer.
#[track_caller]
pub(crate) fn all_answered(clients: &mut [Wire]) {
    clients.iter_mut().enumerate().for_each(|(i, client)| assert_eq!(client.answer().text(), quick(i)));
}
