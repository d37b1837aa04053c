//! Members made of raw sockets: one that answers well, and others that break pipelining in one way each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How a member answers what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In order, one answer to each request.
    Good,
    /// The first request of each read, and none of the others.
    FirstOfRead,
    /// Each request on a thread of its own, GET later than the others.
    Threads,
    /// In order, except that what is slow comes last.
    SlowLast,
    /// Each answer that is not alone twice.
    Doubles,
    /// CR LF behind the content of an answer to GET.
    Surplus,
    /// HEAD with content.
    HeadWithContent,
    /// It closes behind the third answer of a read.
    ClosesAmid,
    /// It says `Connection: close` and closes.
    ClosesAlways,
    /// It speaks HTTP/1.0.
    Old,
    /// The same answer without content to everything.
    Alike,
    /// Nothing at all.
    Silent,
    /// No HTTP.
    Babbles,
    /// It answers pipelined requests in order, with the content of another one.
    Lies,
    /// It swaps the answers to the second and the third request of a read.
    Swaps,
}

/// The connections of a member, each served by a thread of its own until its client has gone.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
}

impl Member {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // It ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                thread::spawn(move || serve(stream, manner));
            }
        });
        Self { address }
    }
}

fn serve(mut stream: TcpStream, manner: Manner) {
    let _ = stream.set_nodelay(true);
    let (mut came, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        let n = match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        came.extend_from_slice(&buffer[..n]);
        let mut requests = Vec::new();
        while let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(came.drain(..end + 4).collect()).unwrap();
            let mut words = head.split(' ').map(str::to_owned);
            requests.push((words.next().unwrap(), words.next().unwrap()));
        }
        if requests.is_empty() {
            continue;
        }
        if manner == Manner::FirstOfRead {
            came.clear(); // as cpp-httplib does, with whatever else it has read
        }
        if !answer(&mut stream, manner, &requests) {
            return;
        }
    }
}

/// Answers the requests of one read. False when the connection ends.
fn answer(stream: &mut TcpStream, manner: Manner, requests: &[(String, String)]) -> bool {
    let several = requests.len() > 1;
    let mut said = Vec::new();
    match manner {
        Manner::FirstOfRead => said.extend(reply(&requests[0].0, &requests[0].1)),
        Manner::Threads => return answer_by_threads(stream, requests),
        Manner::Silent => {}
        Manner::Babbles => said.extend_from_slice(b"+OK\r\n"),
        Manner::ClosesAlways => {
            said.extend_from_slice(
                b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            );
        }
        Manner::Old => said.extend_from_slice(
            b"HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        ),
        Manner::Alike => {
            let one = b"HTTP/1.1 204 No Content\r\n\r\n";
            requests.iter().for_each(|_| said.extend_from_slice(one));
        }
        Manner::ClosesAmid => {
            requests.iter().take(3).for_each(|(method, target)| said.extend(reply(method, target)));
        }
        Manner::SlowLast => {
            let (slow, quick): (Vec<_>, _) =
                requests.iter().partition(|(_, target)| target.starts_with("/slow"));
            let quick: Vec<_> =
                quick.into_iter().flat_map(|(method, target)| reply(method, target)).collect();
            if stream.write_all(&quick).is_err() {
                return false;
            }
            slow.into_iter().for_each(|(method, target)| said.extend(reply(method, target)));
        }
        Manner::Lies if several => {
            let (method, target) = (&requests[0].0, "another");
            requests.iter().for_each(|_| said.extend(reply(method, target)));
        }
        Manner::Swaps if requests.len() > 2 => {
            let mut swapped: Vec<_> = requests.to_vec();
            swapped.swap(1, 2);
            swapped.iter().for_each(|(method, target)| said.extend(reply(method, target)));
        }
        _ => {
            for (method, target) in requests {
                said.extend(reply(method, target));
                match manner {
                    Manner::Doubles if several => said.extend(reply(method, target)),
                    Manner::Surplus if method == "GET" => said.extend_from_slice(b"\r\n"),
                    Manner::HeadWithContent if method == "HEAD" => said.extend_from_slice(target.as_bytes()),
                    _ => {}
                }
            }
        }
    }
    let written = stream.write_all(&said).is_ok();
    written && manner != Manner::ClosesAlways && !(manner == Manner::ClosesAmid && requests.len() > 3)
}

fn answer_by_threads(stream: &TcpStream, requests: &[(String, String)]) -> bool {
    let (done, all) = mpsc::channel();
    for (method, target) in requests.iter().cloned() {
        let (mut stream, done) = (stream.try_clone().unwrap(), done.clone());
        thread::spawn(move || {
            if method == "GET" {
                thread::sleep(Duration::from_millis(5));
            }
            let _ = stream.write_all(&reply(&method, &target));
            let _ = done.send(());
        });
    }
    drop(done);
    all.iter().count() == requests.len()
}

/// The answer of a service that echoes its target, as most do for what they do not have. `/slow` takes its time.
fn reply(method: &str, target: &str) -> Vec<u8> {
    if target.starts_with("/slow") {
        thread::sleep(Duration::from_millis(150));
    }
    let content = if method == "HEAD" { "" } else { target };
    let length = target.len();
    let allow = if method == "OPTIONS" { "Allow: GET, HEAD, OPTIONS\r\n" } else { "" };
    format!(
        "HTTP/1.1 404 Not Found\r\nServer: raw\r\n{allow}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{content}"
    )
    .into_bytes()
}
