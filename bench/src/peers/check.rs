//! Checks before any load that a proxy really proxies, keeps a source at its member, and reuses connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use penstock_bench::{Plan, Report, Stop, Work, run};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::origin::Origin;
use super::peer::Peer;
use super::scenario::{Mode, Scenario};
use crate::failure::Failure;

/// Enough sources that three members are all met: one is missed by chance in 50,000 runs.
const SOURCES: u32 = 24;
/// The first of them; the load has others.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 1);
/// The exchanges of each source, each on a connection of its own.
const EACH: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks a proxy in front of an origin. Returns the number of connections to members that `EACH` exchanges of all
/// sources took, where clients share them.
pub(crate) fn check(
    peer: Peer,
    scenario: &Scenario,
    listen: SocketAddr,
    origin: &Origin,
) -> Result<Option<u64>, Failure> {
    let failed = |words: String| Failure::Server(format!("{}: {words}", peer.name()));
    answers(scenario, peer, listen).map_err(failed)?;
    if !matches!(scenario.mode, Mode::Http | Mode::Tcp) || peer == Peer::Direct {
        return Ok(None);
    }
    let member = origin.members[0];
    let before = counters(member).map_err(failed)?;
    let report = once_each(listen).map_err(failed)?;
    let after = counters(member).map_err(failed)?;
    // The second look at the counters was a connection, too. A proxy may ask members for itself, so there may be more requests.
    let (answered, opened) = (after.0 - before.0, (after.1 - before.1).saturating_sub(1));
    affinity(&report).map_err(failed)?;
    if answered < report.answered {
        let got = report.answered;
        return Err(failed(format!(
            "of its {got} answers only {answered} came from the origin; is there a cache?"
        )));
    }
    if scenario.mode == Mode::Tcp {
        return Ok(None);
    }
    forwarded(listen).map_err(failed)?;
    if opened > answered / 4 {
        return Err(failed(format!(
            "it opened {opened} connections for {answered} requests, so it reuses none"
        )));
    }
    Ok(Some(opened))
}

/// Makes one exchange as the load will.
fn answers(scenario: &Scenario, peer: Peer, to: SocketAddr) -> Result<(), String> {
    let plan = Plan {
        clients: 1,
        stop: Stop::Requests(2),
        timeout: PATIENCE,
        ..scenario.plan(to, peer, Duration::ZERO, 1)
    };
    let report = run(&plan).map_err(|error| error.to_string())?;
    if report.is_clean() && report.answered > 0 {
        return Ok(());
    }
    let first = report.first_errors.first().map_or("a status other than 2xx", String::as_str);
    Err(format!("the first answer is wrong ({first})"))
}

/// Lets each source make its exchanges, each on a connection of its own.
fn once_each(to: SocketAddr) -> Result<Report, String> {
    let plan = Plan {
        clients: SOURCES as usize,
        sources: (FIRST.to_bits()..).take(SOURCES as usize).map(Ipv4Addr::from_bits).collect(),
        work: Work::Ids,
        stop: Stop::Requests(EACH),
        per_connection: Some(1),
        timeout: PATIENCE,
        ..Plan::new(to)
    };
    let report = run(&plan).map_err(|error| error.to_string())?;
    match report.is_clean() {
        true => Ok(report),
        false => Err(format!("answers are wrong or missing: {}", report.first_errors.join("; "))),
    }
}

fn affinity(report: &Report) -> Result<(), String> {
    if report.most_members_per_source() != 1 {
        let moved = report.members.values().filter(|members| members.len() > 1).count();
        return Err(format!("{moved} of {SOURCES} sources met more than one member"));
    }
    match report.sources_by_member().len() {
        0 | 1 => Err("all sources met the same member".to_owned()),
        _ => Ok(()),
    }
}

/// Checks that members are told the source's address.
fn forwarded(to: SocketAddr) -> Result<(), String> {
    let told = get(to, Some(FIRST), "/echo")?;
    let named = |field: &Value| {
        field[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case("x-forwarded-for"))
            && field[1].as_str() == Some(FIRST.to_string().as_str())
    };
    match told["headers"].as_array().is_some_and(|fields| fields.iter().any(named)) {
        true => Ok(()),
        false => Err("the member is not told the client's address in X-Forwarded-For".to_owned()),
    }
}

/// Returns the numbers of answers and of connections that the origin has counted. A look is a connection, and no answer.
fn counters(member: SocketAddr) -> Result<(u64, u64), String> {
    let told = get(member, None, "/stats")?;
    let count = |name: &str| told["total"][name].as_u64().ok_or("the origin does not tell its counters");
    Ok((count("requests")?, count("accepted")?))
}

/// Gets a document of JSON from an address, on a connection of its own.
fn get(to: SocketAddr, from: Option<Ipv4Addr>, path: &str) -> Result<Value, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let exchange = async {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket.bind((from, 0).into())?;
        }
        let mut stream = socket.connect(to).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await });
    let answer = answer.map_err(|_| format!("no answer to GET {path} within {PATIENCE:?}"))?;
    let answer =
        String::from_utf8_lossy(&answer.map_err(|error| format!("GET {path}: {error}"))?).into_owned();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // A proxy may send it in chunks; the document is what stands between the outermost braces.
    let document = body.find('{').zip(body.rfind('}')).and_then(|(first, last)| body.get(first..=last));
    let document = document.ok_or_else(|| format!("GET {path}: no JSON in the answer"))?;
    serde_json::from_str(document).map_err(|error| format!("GET {path}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::super::scenario::SCENARIOS;
    use super::*;

    /// Gives the same bytes to whatever is asked, and closes after that if the bytes say so.
    fn server(says: &str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let says = says.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, says) = (stream.unwrap(), says.clone());
                std::thread::spawn(move || {
                    let mut scratch = [0; 4096];
                    while stream.read(&mut scratch).is_ok_and(|n| n > 0)
                        && stream.write_all(says.as_bytes()).is_ok()
                    {
                        if says.contains("Connection: close") {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    #[test]
    fn an_address_that_answers_wrongly_is_not_measured() {
        let http = &SCENARIOS[1];
        let ok = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
        assert_eq!(answers(http, Peer::Direct, ok), Ok(()));
        let gone = server("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
        assert!(answers(http, Peer::Direct, gone).unwrap_err().contains("other than 2xx"));
        let other = server("-ERR unknown command\r\n");
        assert!(answers(http, Peer::Direct, other).unwrap_err().contains("is wrong"));
        // Each request names its client, and the answer must repeat that.
        assert!(once_each(ok).unwrap_err().contains("wrong or missing"));
    }

    #[test]
    fn members_must_be_told_the_client_s_address() {
        let echo = |fields: &str| {
            let body = format!("{{\"headers\":[{fields}]}}");
            server(&format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ))
        };
        assert_eq!(forwarded(echo("[\"Host\",\"a\"],[\"x-forwarded-for\",\"127.2.0.1\"]")), Ok(()));
        assert!(forwarded(echo("[\"X-Forwarded-For\",\"127.0.0.1\"]")).is_err());
        assert!(forwarded(echo("")).unwrap_err().contains("X-Forwarded-For"));
    }
}
