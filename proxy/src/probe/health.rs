//! Checks whether a member is well, as the configuration of its backend says.
//!
//! Each check has a connection of its own, so that it also shows whether the member accepts one.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use memchr::memmem;

use crate::config::{Address, Backend, CheckKind, HealthCheck, ProxyVersion};
use crate::proto::http::Method;

use super::fault::Fault;
use super::wire::{ProbeAddress, Unanswered, Wire};

/// The reason why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFault {
    /// No connection could be opened.
    Connect(ErrorKind),
    /// The check took too long.
    Timeout,
    /// The member closed the connection before its answer was complete.
    Closed,
    /// The status is not one of the good ones.
    Status(u16),
    /// The answer does not contain what is expected.
    Content,
    /// The bytes are no answer of HTTP, or the answer is longer than a check reads.
    Malformed(&'static str),
}

impl fmt::Display for CheckFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "connecting to it failed: {kind}"),
            Self::Timeout => f.write_str("it did not answer in time"),
            Self::Closed => f.write_str("it closed the connection before its answer was complete"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Content => f.write_str("its answer did not contain what is expected"),
            Self::Malformed(detail) => write!(f, "it sent bytes that are no HTTP/1.1 answer: {detail}"),
        }
    }
}

impl std::error::Error for CheckFault {}

impl From<Fault> for CheckFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Connect(kind) => Self::Connect(kind),
            Fault::Malformed(detail) => Self::Malformed(detail),
            _ => Self::Closed,
        }
    }
}

/// The command PING of Redis, and the answers of a server that is there: a client that must authenticate does so itself.
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PONGS: [&[u8]; 2] = [b"+PONG\r\n", b"-NOAUTH "];

/// The bytes of an answer that are searched for the expected ones.
const LONGEST: usize = 64 << 10;

/// A PROXY header that names no client: "the connection was established on purpose by the proxy without being relayed".
/// <https://www.haproxy.org/download/3.1/doc/proxy-protocol.txt>, sections 2.1 and 2.2
const LOCAL_V1: &[u8] = b"PROXY UNKNOWN\r\n";
const LOCAL_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Checks a member once, within the check's timeout. This needs a tokio runtime with I/O and time.
///
/// # Errors
/// Returns why the member is not well.
pub async fn check(health: &HealthCheck, address: &Address, backend: &Backend) -> Result<(), CheckFault> {
    let check = ask(&health.kind, ProbeAddress::of(address, backend), backend.proxy_protocol);
    crate::event_loop::timeout(health.timeout, check).await.unwrap_or(Err(CheckFault::Timeout))
}

async fn ask(kind: &CheckKind, place: ProbeAddress, proxy: Option<ProxyVersion>) -> Result<(), CheckFault> {
    let mut wire = Wire::open(&place).await?;
    let mut first = match proxy {
        None => Vec::new(),
        Some(ProxyVersion::V1) => LOCAL_V1.to_vec(),
        Some(ProxyVersion::V2) => LOCAL_V2.to_vec(),
    };
    match kind {
        CheckKind::Http { target, host, .. } => {
            let host = host.as_deref().unwrap_or_else(|| place.host());
            let version = env!("CARGO_PKG_VERSION");
            let fields =
                format!("Host: {host}\r\nUser-Agent: penstock-check/{version}\r\nConnection: close\r\n");
            first.extend_from_slice(format!("GET {target} HTTP/1.1\r\n{fields}\r\n").as_bytes());
        }
        CheckKind::Ping => first.extend_from_slice(PING),
        CheckKind::Bytes { send, .. } => first.extend_from_slice(send),
        CheckKind::Connect => {}
    }
    wire.send([&*first], Duration::ZERO).await?;
    match kind {
        CheckKind::Connect => Ok(()),
        CheckKind::Http { status, content, .. } => {
            let reply = wire.answer(Method::Get).await.map_err(|why| match why {
                Unanswered::Fault(fault) => fault.into(),
                Unanswered::TooLong => CheckFault::Malformed("its content is longer than a check reads"),
            })?;
            if !status.contains(&reply.status) {
                return Err(CheckFault::Status(reply.status));
            }
            let expected =
                content.as_deref().is_none_or(|content| memmem::find(&reply.body, content).is_some());
            if expected { Ok(()) } else { Err(CheckFault::Content) }
        }
        CheckKind::Ping => {
            let pong = |came: &[u8]| PONGS.iter().any(|pong| came.starts_with(pong));
            let longest = PONGS.map(<[u8]>::len).into_iter().max().unwrap_or(0);
            hear(&mut wire, longest, pong).await
        }
        CheckKind::Bytes { expect, .. } => {
            hear(&mut wire, LONGEST, |came| memmem::find(came, expect).is_some()).await
        }
    }
}

/// Reads at most `most` bytes, until they are the expected ones.
async fn hear(wire: &mut Wire, most: usize, expected: impl Fn(&[u8]) -> bool) -> Result<(), CheckFault> {
    match wire.receive(most, expected).await {
        true => Ok(()),
        false if wire.has_ended() && wire.unread().is_empty() => Err(CheckFault::Closed),
        false => Err(CheckFault::Content),
    }
}
