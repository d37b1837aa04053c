//! RESP3 through `protocol: resp`: a client gets what Redis says to it, byte for byte, beside clients of RESP2.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::real::redis::{SERVER, server_at};
use crate::real::redis_links::info;
use crate::real::resp::{Reply, Talk};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::{Proxy, Setup};

struct Stand {
    proxy: Proxy,
    at: SocketAddr,
    _server: crate::support::child::Child,
    _directory: Directory,
}

fn stand(links: usize) -> Option<Stand> {
    are_here(&[SERVER]).then(|| {
        let directory = Directory::new("redis-resp3");
        let at = own_address();
        let server = server_at(&directory, at, "--enable-debug-command yes");
        // A budget with which the server is quick on any machine.
        let given = format!("links: {{ max_per_member: {links}, pipeline_budget: 10s }}");
        let proxy = Setup::resp(at).backend(&given).start();
        Stand { proxy, at, _server: server, _directory: directory }
    })
}

/// All that is answered to these lines, but for the number of the connection in the answer to HELLO.
#[track_caller]
fn answers(to: SocketAddr, said: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(said.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answers = Vec::new();
    let end = stream.read_to_end(&mut answers);
    assert!(end.is_ok(), "{said:?}: {end:?} after {}", answers.escape_ascii());
    let text = String::from_utf8(answers).unwrap();
    let mut lines: Vec<_> = text.split("\r\n").collect();
    for at in 1..lines.len() {
        if lines[at - 1] == "id" {
            lines[at] = ":id";
        }
    }
    lines.join("\n")
}

/// Each type of RESP3 that a server can send, and all that HELLO may say.
const SAID: &[&str] = &[
    "HELLO 3\r\n",
    "HELLO 3\r\nHELLO\r\nHELLO 3\r\nHELLO 2\r\nHELLO\r\n",
    "HELLO 3 SETNAME me\r\nHGETALL h\r\n",
    "HELLO 3 SETNAME \r\nPING\r\n",
    "HELLO 2 SETNAME me\r\nHGETALL h\r\n",
    "HELLO 3 AUTH nobody x\r\nHGETALL h\r\n",
    "HELLO 3 AUTH default\r\nPING\r\n",
    "HELLO 3 AUTH default x SETNAME me\r\nHGETALL h\r\n",
    "HELLO 3\r\nCLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none\r\nHGETALL h\r\n",
    "HELLO 3 WHAT\r\nHGETALL h\r\n",
    "HELLO 4\r\nHGETALL h\r\n",
    "HELLO 1 SETNAME x\r\n",
    "HELLO x\r\nHELLO 03\r\nHELLO 99999999999999999999\r\nHELLO -0\r\n",
    "HELLO 3\r\nHGETALL h\r\nSMEMBERS s\r\nZSCORE z m\r\nGET none\r\nLRANGE none 0 1\r\nMGET none k\r\nZRANGE z 0 -1 WITHSCORES\r\n",
    "HELLO 3\r\nDEBUG PROTOCOL attrib\r\nGET k\r\n",
    "HELLO 3\r\nDEBUG PROTOCOL verbatim\r\nDEBUG PROTOCOL bignum\r\nDEBUG PROTOCOL true\r\nDEBUG PROTOCOL double\r\n",
    "HELLO 3\r\nDEBUG PROTOCOL null\r\nDEBUG PROTOCOL map\r\nDEBUG PROTOCOL set\r\nDEBUG PROTOCOL array\r\nPING\r\n",
    "HELLO 3\r\nMULTI\r\nHGETALL h\r\nSMEMBERS s\r\nEXEC\r\nHGETALL h\r\n",
    "HELLO 3\r\nMULTI\r\nHELLO 2\r\nHGETALL h\r\nEXEC\r\nHGETALL h\r\n",
    "HELLO 3\r\nWATCH k\r\nHELLO 2\r\nHGETALL h\r\nUNWATCH\r\nHGETALL h\r\n",
    "HELLO 3\r\nMULTI\r\nRESET\r\nHGETALL h\r\nHELLO 3\r\nHGETALL h\r\n",
    "HELLO 3\r\nRESET\r\nHGETALL h\r\n",
    "HELLO 3\r\nUNSUBSCRIBE\r\nHGETALL h\r\n",
    "HELLO 3\r\nSUBSCRIBE c d\r\nHGETALL h\r\nPUBLISH c x\r\nUNSUBSCRIBE c\r\nGET k\r\n",
    "HELLO 3\r\nCLIENT TRACKING ON\r\nGET k\r\nSET k 1\r\nGET k\r\n",
    "HELLO 3\r\nCLIENT TRACKING ON BCAST\r\nSET k 1\r\nGET k\r\n",
    "HELLO 3\r\nBLPOP none 0.01\r\nBLPOP none 0\r\n",
    "HELLO 3\r\nSELECT 1\r\nHGETALL h\r\n",
    "HELLO 3\r\nEVAL \"redis.setresp(3) return redis.call('hgetall',KEYS[1])\" 1 h\r\nHGETALL h\r\n",
    "HELLO 3\r\nNOSUCH\r\nGET h\r\nQUIT\r\n",
    "HGETALL h\r\nSMEMBERS s\r\nZSCORE z m\r\nGET none\r\n",
];

fn fill(talk: &mut Talk) {
    for words in ["HSET h f v g w", "SADD s m", "ZADD z 1.5 m", "SET k 1"] {
        assert!(!matches!(talk.ask(words), Reply::Error(_)), "{words}");
    }
}

#[test]
fn resp3_is_answered_as_redis_answers_it() {
    let Some(stand) = stand(4) else { return };
    fill(&mut Talk::connect(stand.at));
    for round in 0..4 {
        for said in SAID {
            let direct = answers(stand.at, said);
            assert_eq!(answers(stand.proxy.address(), said), direct, "{said:?} in round {round}");
        }
    }
}

#[test]
fn clients_of_two_dialects_share_a_link_and_each_is_answered_in_its_own() {
    let Some(stand) = stand(1) else { return };
    fill(&mut Talk::connect(stand.at));
    both_at_once(&stand, 12, 150);
    assert_eq!(
        stand.proxy.counted("penstock_backend_connections_closed_total", "reason=\"desync\"").unwrap_or(0),
        0
    );
}

#[test]
fn links_are_not_told_again_and_again_what_to_speak() {
    let Some(stand) = stand(8) else { return };
    let mut direct = Talk::connect(stand.at);
    fill(&mut direct);
    let hellos = |talk: &mut Talk| {
        let stats = talk.ask("INFO commandstats").text().to_owned();
        let line = stats.lines().find(|line| line.starts_with("cmdstat_hello:")).unwrap_or("");
        line.split(['=', ',']).nth(1).map_or(0, |calls| calls.parse::<u64>().unwrap())
    };
    both_at_once(&stand, 8, 300);
    let told = hellos(&mut direct);
    println!("{told} times HELLO for 4,800 requests of 16 clients");
    // It is some 10 on an idle machine, and was up to 2,116 before links were chosen by what they speak.
    assert!(told <= 600, "{told}");
}

/// So many clients of each dialect ask one thing after the other.
fn both_at_once(stand: &Stand, clients: usize, requests: usize) {
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..2 * clients {
            let (to, done) = (stand.proxy.address(), &done);
            scope.spawn(move || {
                let third = client % 2 == 1;
                let mut stream = TcpStream::connect(to).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                if third {
                    let hello = exchange(&mut stream, "HELLO 3\r\n", 1);
                    assert!(hello.starts_with('%'), "{hello:?}");
                    rest(&mut stream, hello, "modules\r\n*0\r\n");
                }
                let expected = if third { "%2\r\n$1\r\nf\r\n" } else { "*4\r\n$1\r\nf\r\n" };
                let whole = format!("{expected}$1\r\nv\r\n$1\r\ng\r\n$1\r\nw\r\n");
                for _ in 0..requests {
                    let found = exchange(&mut stream, "HGETALL h\r\n", whole.len());
                    assert_eq!(found, whole, "client {client}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 2 * clients * requests);
}

fn exchange(stream: &mut TcpStream, said: &str, len: usize) -> String {
    stream.write_all(said.as_bytes()).unwrap();
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn rest(stream: &mut TcpStream, mut so_far: String, end: &str) {
    while !so_far.ends_with(end) {
        so_far += &exchange(stream, "", 1);
    }
}

#[test]
fn a_link_is_as_new_for_whoever_comes_after_a_client_of_resp3() {
    let Some(stand) = stand(2) else { return };
    fill(&mut Talk::connect(stand.at));
    for _ in 0..10 {
        answers(stand.proxy.address(), "HELLO 3 SETNAME me\r\nHGETALL h\r\n");
        let mut other = Talk::connect(stand.proxy.address());
        assert!(matches!(other.ask("HGETALL h"), Reply::Array(all) if all.len() == 4));
        assert_eq!(other.ask("CLIENT GETNAME"), Reply::Nil);
    }
}

#[test]
fn a_server_that_wants_a_password_is_asked_for_resp3_with_it() {
    if !are_here(&[SERVER]) {
        return;
    }
    let directory = Directory::new("redis-resp3-auth");
    let at = own_address();
    let _server = server_at(&directory, at, "--requirepass secret");
    let proxy = Setup::resp(at).backend("links: { max_per_member: 2 }").start();
    for _ in 0..5 {
        for said in [
            "HELLO 3\r\nPING\r\n",
            "HELLO 3\r\nAUTH secret\r\nPING\r\nHGETALL none\r\n",
            "HELLO 3 AUTH default secret\r\nHGETALL none\r\n",
            "HELLO 3 AUTH default wrong\r\nHGETALL none\r\n",
        ] {
            assert_eq!(answers(proxy.address(), said), answers(at, said), "{said:?}");
        }
    }
    let mut direct = Talk::connect(at);
    assert_eq!(direct.ask("AUTH secret"), Reply::ok());
    eventually("their links are let go", || info(&mut direct, "clients", "connected_clients") <= 3);
}
