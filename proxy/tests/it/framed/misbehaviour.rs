//! A member that breaks its protocol: nobody gets what is not its own, the cause is counted, the others go on.

use crate::framed::given::{COUNTED, Client, THREE, Tongue};
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::eventually;

/// Where the others are to be unharmed, what they ask may be sent twice, or nobody shares a link with anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    Repeatable,
    OneAtATime,
}

const BOTH: [Manner; 2] = [Manner::Repeatable, Manner::OneAtATime];

fn patient(tongue: Tongue, manner: Manner) -> Setup {
    let (repeatable, pipeline) = if manner == Manner::Repeatable { (true, 32) } else { (false, 1) };
    let setup = tongue.setup_with(&format!("repeatable: {repeatable}")).backend("response_timeout: 300ms");
    setup.backend(&format!("links: {{ max_per_member: 6, pipeline: {pipeline} }}"))
}

/// All of them are answered their own.
#[track_caller]
fn are_well(clients: &mut [Client], round: usize) {
    for (i, client) in clients.iter_mut().enumerate() {
        client.say(&format!("tag {i}-{round} add {i} {round}"));
    }
    for (i, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer(), format!("{i}-{round} {}", i + round));
    }
}

/// One client provokes it, again and again, while others are served; it is closed, and the cause is this.
fn provoked(tongue: Tongue, request: &str, shown: &str, causes: &[&str]) {
    BOTH.into_iter().for_each(|manner| provoked_in(manner, tongue, request, shown, causes));
}

fn provoked_in(manner: Manner, tongue: Tongue, request: &str, shown: &str, causes: &[&str]) {
    let (_origin, proxy) = patient(tongue, manner).with(tongue.origin(1));
    let mut others: Vec<_> = (0..20).map(|_| tongue.client(&proxy)).collect();
    for round in 0..5 {
        let mut client = tongue.client(&proxy);
        client.say(request);
        are_well(&mut others, round);
        let (rest, _) = client.wire.rest_and_reset();
        let rest = String::from_utf8_lossy(&rest);
        assert!(shown.starts_with(&*rest), "{tongue:?}, {request}: {rest:?}");
    }
    let counted = || causes.iter().map(|cause| proxy.errors(cause)).sum::<i64>();
    eventually("its cause is counted", || counted() >= 5);
    are_well(&mut others, 9);
}

#[test]
fn what_is_never_answered_ends_in_time() {
    THREE.into_iter().for_each(|tongue| provoked(tongue, "never", "", &["backend_timeout"]));
}

#[test]
fn half_an_answer_is_seen_as_half() {
    provoked(Tongue::Lf, "midclose echo 12345678", "12345678", &["truncated"]);
    provoked(COUNTED, "midclose echo 12345678", "\0\0\0\x0812345678", &["truncated"]);
}

#[test]
fn no_answer_and_a_close_is_an_error() {
    for tongue in THREE {
        for request in ["close", "reset"] {
            provoked(tongue, request, "", &["backend_reset", "stale_nonidempotent"]);
        }
    }
}

/// What follows an answer that ends its link is another's request.
#[test]
fn an_answer_before_a_close_is_whole() {
    for tongue in THREE {
        let (_origin, proxy) = patient(tongue, Manner::OneAtATime).with(tongue.origin(1));
        for round in 0..10 {
            let mut client = tongue.client(&proxy);
            assert_eq!(client.ask("close echo bye"), "bye");
            eventually("its link is gone", || {
                proxy.sum_of("penstock_backend_connections_closed_total", &[]) > round
            });
            assert_eq!(client.ask("echo on"), "on");
        }
    }
}

#[test]
fn a_line_without_end_is_cut_at_the_limit() {
    let tongue = Tongue::Lf;
    let setup =
        tongue.setup_with("max_length: 10KiB").backend("links: { pipeline: 1024, max_per_member: 4 }");
    let (_origin, proxy) = setup.with(tongue.origin(1));
    let mut client = tongue.client(&proxy);
    client.say("toolong 50000");
    let (rest, _) = client.wire.rest_and_reset();
    assert!(rest.len() <= 64 << 10, "{} bytes of it", rest.len());
    assert!(proxy.errors("bad_response") + proxy.errors("truncated") == 1, "{}", proxy.running().metrics());
    let mut client = tongue.client(&proxy);
    client.say("size 20000");
    client.wire.rest_and_reset();
    assert_eq!(tongue.client(&proxy).ask("echo on"), "on");
}

#[test]
fn a_frame_longer_than_it_may_be_is_not_begun() {
    let tongue = COUNTED;
    let setup =
        tongue.setup_with("max_length: 10KiB").backend("links: { pipeline: 1024, max_per_member: 4 }");
    let (_origin, proxy) = setup.with(tongue.origin(1));
    for round in 1..=3 {
        let mut client = tongue.client(&proxy);
        client.say("size 10237");
        let (rest, _) = client.wire.rest_and_reset();
        assert!(rest.len() <= 4, "{rest:?}");
        assert_eq!(proxy.errors("bad_response") + proxy.errors("truncated"), round);
    }
    assert_eq!(tongue.client(&proxy).ask("size 10236").len(), 10236);
}

/// An answer that comes twice is nobody's: least of all the next client's on that link. (Where somebody has asked on
/// it already, no proxy can tell; so it is told here with one request at a time.)
#[test]
fn an_answer_too_many_is_nobodys() {
    for tongue in THREE {
        for request in ["twice echo surplus", "twice size 5000"] {
            let (_origin, proxy) = patient(tongue, Manner::OneAtATime).workers(1).with(tongue.origin(1));
            let mut others: Vec<_> = (0..20).map(|_| tongue.client(&proxy)).collect();
            for round in 0..30 {
                let mut client = tongue.client(&proxy);
                client.say(request);
                are_well(&mut others, round);
                let answer = client.answer();
                assert!(answer == "surplus" || answer.len() == 5000, "{answer}");
            }
            eventually("each was found", || desyncs(&proxy) == 30);
        }
    }
}

#[test]
fn an_answer_that_comes_when_nobody_has_asked_ends_its_link() {
    for tongue in THREE {
        let (_origin, proxy) = patient(tongue, Manner::Repeatable).with(tongue.origin(1));
        for round in 1..=5 {
            let mut client = tongue.client(&proxy);
            assert_eq!(client.ask("early 20 echo surplus"), "surplus");
            eventually("its link is closed", || desyncs(&proxy) == round);
            assert_eq!(client.ask("echo mine"), "mine");
        }
        assert_eq!(crate::framed::given::all_errors(&proxy), 0);
    }
}

#[test]
fn an_answer_that_comes_too_late_is_nobodys() {
    THREE.into_iter().for_each(|tongue| provoked(tongue, "late 600 echo surplus", "", &["backend_timeout"]));
}

fn desyncs(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_backend_connections_closed_total", &["reason=\"desync\""])
}

/// Bytes that come before anything was asked end the link before it carries a request.
#[test]
fn a_member_that_speaks_first_is_not_believed() {
    let member = Script::start(|_, mut link| {
        link.send("welcome\n");
        link.rest_and_reset();
    });
    let proxy = patient(Tongue::Lf, Manner::OneAtATime).before_one(member.address);
    let mut client = Tongue::Lf.client(&proxy);
    client.say("echo a").wire.finish();
    let (rest, _) = client.wire.rest_and_reset();
    // A greeting that comes after the request cannot be told from its answer.
    assert!(rest.is_empty() || rest == b"welcome\n", "{rest:?}");
}
