//! The process stands still for longer than its deadlines (SIGSTOP, a paused machine): clients that spoke in time are served.
//!
//! A client that has said nothing has one more chance.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::binary::Binary;
use crate::support::own_address::own_address;
use crate::support::wire::{Wire, eventually, request};

/// Each deadline of the configuration, and how long the process stands still.
const LIMIT: &str = "3s";
const STILL: Duration = Duration::from_secs(5);

/// How long the first request is in what has come, if it is whole, and the answer to it.
type Play = fn(&[u8]) -> Option<(usize, Vec<u8>)>;

/// A member that answers each request by `answer`, which says how long the first one is in what has come; one in which `held`
/// stands is not answered before `go`.
fn member(go: &Arc<AtomicBool>, answer: Play) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let (told, go) = (asked.clone(), go.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (told, go) = (told.clone(), go.clone());
            std::thread::spawn(move || serve(stream, answer, &told, &go));
        }
    });
    (address, asked)
}

fn serve(mut stream: TcpStream, answer: Play, told: &AtomicBool, go: &AtomicBool) {
    let (mut came, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        came.extend_from_slice(&buffer[..n]);
        while let Some((len, bytes)) = answer(&came) {
            if came[..len].windows(4).any(|word| word == b"held") {
                told.store(true, Ordering::SeqCst);
                eventually("it may be answered", || go.load(Ordering::SeqCst));
            }
            came.drain(..len);
            // The proxy may have ended by now.
            let _ = stream.write_all(&bytes);
        }
    }
}

fn up_to(bytes: &[u8], end: &[u8]) -> Option<usize> {
    bytes.windows(end.len()).position(|window| window == end).map(|at| at + end.len())
}

fn http(came: &[u8]) -> Option<(usize, Vec<u8>)> {
    let head = up_to(came, b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&came[..head]).to_ascii_lowercase();
    let body = if text.contains("content-length: 8") { 8 } else { 0 };
    let whole = (came.len() >= head + body).then_some(head + body)?;
    Some((whole, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()))
}

fn lines(came: &[u8]) -> Option<(usize, Vec<u8>)> {
    let len = up_to(came, b"\n")?;
    Some((len, came[..len].to_vec()))
}

/// Each command is an ECHO of one word of four letters.
fn resp(came: &[u8]) -> Option<(usize, Vec<u8>)> {
    const COMMAND: &[u8] = b"*2\r\n$4\r\nECHO\r\n$4\r\nheld\r\n";
    let command = came.get(..COMMAND.len())?;
    Some((COMMAND.len(), command[COMMAND.len() - 10..].to_vec()))
}

fn echo(word: &str) -> String {
    format!("*2\r\n$4\r\nECHO\r\n$4\r\n{word}\r\n")
}

/// Whether a process stands still.
fn stands_still(binary: &Binary) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", binary.id())).unwrap();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

fn said(wire: &mut Wire, expected: &str) {
    let mut got = vec![0; expected.len()];
    wire.stream.read_exact(&mut got).unwrap_or_else(|e| panic!("instead of {expected:?}: {e}"));
    assert_eq!(String::from_utf8_lossy(&got), expected);
}

#[test]
fn who_spoke_in_time_is_served_however_long_the_process_stood_still() {
    let go = Arc::new(AtomicBool::new(false));
    let (app, http_asked) = member(&go, http);
    let (calculator, line_asked) = member(&go, lines);
    let (redis, command_asked) = member(&go, resp);
    let raw = TcpListener::bind("127.0.0.1:0").unwrap();
    let [web, told, prices, cache, db] = [(); 5].map(|()| own_address());
    let timeouts = format!("timeouts: {{ head: {LIMIT}, body: {LIMIT}, idle: {LIMIT} }}");
    let binary = Binary::run(&format!(
        "workers: 2\nadmin: off\nlisteners:\n\
         \x20 web: {{ bind: \"{web}\", backend: app, {timeouts} }}\n\
         \x20 told: {{ bind: \"{told}\", backend: app, proxy_protocol: required, trusted: any, {timeouts} }}\n\
         \x20 prices: {{ bind: \"{prices}\", protocol: lines, backend: calculator, {timeouts} }}\n\
         \x20 cache: {{ bind: \"{cache}\", protocol: resp, backend: redis, {timeouts} }}\n\
         \x20 db: {{ bind: \"{db}\", protocol: tcp, backend: raw, tunnel: {{ idle_timeout: {LIMIT} }} }}\n\
         backends:\n\
         \x20 app: {{ response_timeout: {LIMIT}, members: {{ a: \"{app}\" }} }}\n\
         \x20 calculator: {{ response_timeout: {LIMIT}, members: {{ a: \"{calculator}\" }} }}\n\
         \x20 redis: {{ response_timeout: {LIMIT}, members: {{ a: \"{redis}\" }} }}\n\
         \x20 raw: {{ members: {{ a: \"{}\" }} }}\n",
        raw.local_addr().unwrap()
    ));
    let mut tunnel = Wire::connect(db);
    let mut its_link = Wire::new(raw.accept().unwrap().0);
    let mut awaits = [Wire::connect(web), Wire::connect(prices), Wire::connect(cache)];
    awaits[0].send(request("GET", "/held"));
    awaits[1].send("held\n");
    awaits[2].send(echo("held"));
    eventually("the members were asked", || {
        [&http_asked, &line_asked, &command_asked].iter().all(|asked| asked.load(Ordering::SeqCst))
    });
    // Each is in the middle of what it says.
    let halves = [
        (web, "GET /a HTTP/1.1\r\nHo".to_owned(), "st: h\r\n\r\n".to_owned()),
        (web, "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n1234".to_owned(), "5678".to_owned()),
        (told, "PROXY TCP4 192.0.2.1 192".to_owned(), format!(".0.2.2 1 2\r\n{}", request("GET", "/c"))),
        (prices, "add".to_owned(), " 1\n".to_owned()),
        (cache, echo("held")[..9].to_owned(), echo("held")[9..].to_owned()),
    ];
    let mut clients = halves.each_ref().map(|(to, first, _)| {
        let mut client = Wire::connect(*to);
        client.send(first);
        client
    });
    let (mut slow, mut silent) = (Wire::connect(web), Wire::connect(web));
    slow.send("GET /slow HTTP/1.1\r\n");
    silent.send("GET /silent HTTP/1.1\r\n");
    std::thread::sleep(Duration::from_millis(100)); // so that it has read all that, most probably

    binary.signal(Signal::STOP);
    eventually("it stands still", || stands_still(&binary));
    go.store(true, Ordering::SeqCst);
    clients.iter_mut().zip(&halves).for_each(|(client, (_, _, rest))| _ = client.send(rest));
    tunnel.send("from the client");
    its_link.send("from the member");
    std::thread::sleep(STILL);
    binary.signal(Signal::CONT);
    std::thread::sleep(Duration::from_millis(200));
    slow.send("Host: h\r\n\r\n");

    assert_eq!(awaits[0].answer().status, 200);
    said(&mut awaits[1], "held\n");
    said(&mut awaits[2], "$4\r\nheld\r\n");
    let [head, body, told, line, command] = &mut clients;
    for http in [head, body, told] {
        let answer = http.answer();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    said(line, "add 1\n");
    said(command, "$4\r\nheld\r\n");
    said(&mut tunnel, "from the member");
    said(&mut its_link, "from the client");
    let answer = slow.answer();
    assert_eq!(answer.status, 200, "who goes on when the process does is not late: {answer:?}");
    assert_eq!(silent.answer().cause(), (408, "head_timeout"), "who says nothing is, in the end");
}
