//! Serves frames and commands of Redis as a test says, wrong answers included.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use socket2::SockRef;

/// Takes a complete request off the front, as words, or leaves an incomplete one.
type Take = fn(&mut Vec<u8>) -> Option<Vec<String>>;

/// The reaction to a request.
pub(crate) enum Say {
    Bytes(Vec<u8>),
    /// These bytes are sent, and the connection is closed.
    Last(Vec<u8>),
}

type Sayer = dyn FnMut(&[String], u64) -> Say + Send;

pub(crate) struct Table {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicU64>,
    pub(crate) asked: Arc<AtomicU64>,
}

impl Table {
    /// Starts a server. `say` gets the words of a request and the number of earlier requests on all
    /// connections.
    pub(crate) fn start(take: Take, say: impl FnMut(&[String], u64) -> Say + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).listen(4096).unwrap();
        let address = listener.local_addr().unwrap();
        let table = Self { address, accepted: Arc::default(), asked: Arc::default() };
        let (accepted, asked) = (Arc::clone(&table.accepted), Arc::clone(&table.asked));
        let say: Arc<Mutex<Sayer>> = Arc::new(Mutex::new(say));
        thread::spawn(move || {
            for stream in listener.incoming() {
                accepted.fetch_add(1, SeqCst);
                let (asked, say) = (Arc::clone(&asked), Arc::clone(&say));
                thread::spawn(move || serve(stream.unwrap(), take, &asked, &say));
            }
        });
        table
    }
}

fn serve(mut stream: TcpStream, take: Take, asked: &AtomicU64, say: &Mutex<Sayer>) {
    stream.set_nodelay(true).unwrap();
    let (mut held, mut bytes) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        while let Some(words) = take(&mut held) {
            // Requests are handled one at a time, so that each has its number.
            let mut say = say.lock().unwrap();
            match say(&words, asked.fetch_add(1, SeqCst)) {
                Say::Bytes(bytes) => drop(stream.write_all(&bytes)),
                Say::Last(bytes) => return drop(stream.write_all(&bytes)),
            }
        }
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(n) => held.extend_from_slice(&bytes[..n]),
        }
    }
}

/// Answers the lines of one connection correctly until its end.
pub(crate) fn serve_line(stream: TcpStream) {
    let say: Box<Mutex<Sayer>> =
        Box::new(Mutex::new(|words: &[String], _| Say::Bytes((answer(words) + "\n").into())));
    serve(stream, line, &AtomicU64::new(0), &say);
}

fn words(text: &[u8]) -> Vec<String> {
    String::from_utf8(text.to_vec()).unwrap().split(' ').map(str::to_owned).collect()
}

pub(crate) fn line(held: &mut Vec<u8>) -> Option<Vec<String>> {
    let end = held.iter().position(|byte| *byte == b'\n')?;
    let words = words(held[..end].strip_suffix(b"\r").unwrap_or(&held[..end]));
    held.drain(..=end);
    Some(words)
}

/// Takes a frame of three bytes and two bytes of a little-endian count, which includes all five. The first
/// word is the three bytes.
pub(crate) fn counted(held: &mut Vec<u8>) -> Option<Vec<String>> {
    let count = usize::from(u16::from_le_bytes(held.get(3..5)?.try_into().unwrap()));
    let payload = held.get(5..count)?;
    let before = held[..3].iter().map(|byte| char::from(*byte)).collect();
    let words = std::iter::once(before).chain(words(payload)).collect();
    held.drain(..count);
    Some(words)
}

/// Frames an answer in the form that [`counted`] reads.
pub(crate) fn count(before: &str, answer: &str) -> Vec<u8> {
    let length = u16::try_from(answer.len() + 5).unwrap().to_le_bytes();
    let before: Vec<u8> = before.chars().map(|c| c as u8).collect();
    [&before[..], &length, answer.as_bytes()].concat()
}

/// Answers `tag T add A B`, `tag T delay N add A B` and `tag T echo TEXT`, without delay.
pub(crate) fn answer(words: &[String]) -> String {
    let (tag, request) = (&words[1], &words[2..]);
    let number = |at: usize| request[at].parse::<u64>().unwrap();
    match request[0].as_str() {
        "add" => format!("{tag} {}", number(1) + number(2)),
        "delay" => format!("{tag} {}", number(3) + number(4)),
        "echo" => format!("{tag} {}", request[1..].join(" ")),
        other => panic!("{other} was not to be asked"),
    }
}

/// Takes a command of Redis. Its bytes are read as Latin-1, so that none is lost.
pub(crate) fn command(held: &mut Vec<u8>) -> Option<Vec<String>> {
    let (mut at, mut words) = (0, Vec::new());
    let line = |at: &mut usize| {
        let end = held[*at..].windows(2).position(|pair| pair == b"\r\n")?;
        let text = std::str::from_utf8(&held[*at + 1..*at + end]).unwrap();
        *at += end + 2;
        Some(text.parse::<usize>().unwrap())
    };
    for _ in 0..line(&mut at)? {
        let length = line(&mut at)?;
        words.push(held.get(at..at + length)?.iter().map(|byte| char::from(*byte)).collect());
        at += length + 2;
    }
    if at > held.len() {
        return None;
    }
    held.drain(..at);
    Some(words)
}

/// Returns the answer of Redis to SET, GET or INCR.
pub(crate) fn redis(stored: &mut HashMap<String, String>, words: &[String]) -> Vec<u8> {
    let key = words[1].clone();
    match words[0].as_str() {
        "SET" => {
            stored.insert(key, words[2].clone());
            b"+OK\r\n".to_vec()
        }
        "GET" => stored.get(&key).map_or_else(|| b"$-1\r\n".to_vec(), |value| bulk(value)),
        "INCR" => {
            let count = stored.get(&key).map_or(0, |text| text.parse::<u64>().unwrap()) + 1;
            stored.insert(key, count.to_string());
            format!(":{count}\r\n").into_bytes()
        }
        other => panic!("{other} was not to be asked"),
    }
}

pub(crate) fn bulk(value: &str) -> Vec<u8> {
    let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
    [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat()
}
