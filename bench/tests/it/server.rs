//! Serves what a test says, wrong answers included, and counts; one blocking thread for each connection.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

pub(crate) struct Request {
    pub(crate) source: IpAddr,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    /// The number of earlier requests on this connection.
    pub(crate) before: u64,
}

pub(crate) enum Reply {
    /// These bytes are sent, and the connection stays open.
    Send(Vec<u8>),
    /// These bytes are sent, and the connection is closed.
    SendAndClose(Vec<u8>),
    Reset,
    /// Nothing is sent, and the connection stays open until the client closes it.
    Silence,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) accepted: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

impl Server {
    pub(crate) fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // The standard library listens with a backlog of 128, with which a burst of clients would lose SYNs.
        SockRef::from(&listener).listen(4096).unwrap();
        let address = listener.local_addr().unwrap();
        let (counts, reply) = (Arc::new(Counts::default()), Arc::new(reply));
        let shared = Arc::clone(&counts);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (counts, reply) = (Arc::clone(&shared), Arc::clone(&reply));
                counts.accepted.fetch_add(1, SeqCst);
                thread::spawn(move || serve(stream.unwrap(), &counts, &*reply));
            }
        });
        Self { address, counts }
    }

    /// Returns the numbers of accepted connections, requests, bytes received and bytes sent.
    pub(crate) fn counts(&self) -> (u64, u64, u64, u64) {
        let c = &self.counts;
        (c.accepted.load(SeqCst), c.requests.load(SeqCst), c.received.load(SeqCst), c.sent.load(SeqCst))
    }
}

fn serve(mut stream: TcpStream, counts: &Counts, reply: &dyn Fn(&Request) -> Reply) {
    stream.set_nodelay(true).unwrap();
    let source = stream.peer_addr().unwrap().ip();
    let (mut held, mut bytes, mut before) = (Vec::new(), vec![0; 64 * 1024], 0);
    loop {
        while let Some(mut request) = take_request(&mut held) {
            (request.source, request.before) = (source, before);
            before += 1;
            counts.requests.fetch_add(1, SeqCst);
            // Bytes are counted before they are written, so that an answer that was read has been counted.
            let mut send = |bytes: &[u8]| {
                counts.sent.fetch_add(bytes.len() as u64, SeqCst);
                let _ = stream.write_all(bytes);
            };
            match reply(&request) {
                Reply::Send(bytes) => send(&bytes),
                Reply::SendAndClose(bytes) => return send(&bytes),
                Reply::Reset => {
                    return SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                }
                Reply::Silence => {}
            }
        }
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(n) => {
                counts.received.fetch_add(n as u64, SeqCst);
                held.extend_from_slice(&bytes[..n]);
            }
        }
    }
}

fn take_request(held: &mut Vec<u8>) -> Option<Request> {
    let end = held.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(held[..end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |n| n.parse().unwrap());
    if held.len() < end + length {
        return None;
    }
    let body = held[end..end + length].to_vec();
    held.drain(..end + length);
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    Some(Request { source: IpAddr::from([0; 4]), method, target, body, before: 0 })
}

/// Returns a correct 200 with this body.
pub(crate) fn ok(member: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nX-Member: {member}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Returns the answer of `penstock-origin`, as far as the generator looks at it.
pub(crate) fn honest(request: &Request) -> Reply {
    let pattern = |n: &str| -> Vec<u8> { (0..n.parse::<u32>().unwrap()).map(|i| (i % 251) as u8).collect() };
    let target = request.target.as_str();
    Reply::Send(if request.method == "POST" {
        ok("a", &request.body)
    } else if let Some(n) = target.strip_prefix("/bytes/") {
        ok("a", &pattern(n))
    } else if let Some(n) = target.strip_prefix("/chunked/") {
        chunked(&pattern(n))
    } else {
        ok("a", format!("{{\"method\":\"GET\",\"target\":\"{target}\"}}").as_bytes())
    })
}

fn chunked(content: &[u8]) -> Vec<u8> {
    let mut wire = b"HTTP/1.1 200 OK\r\nX-Member: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in content.chunks(1000) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}
