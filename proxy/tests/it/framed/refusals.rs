//! Where there is no response, the client is closed, or gets what the configuration says, and the cause is told.

use crate::framed::given::{COUNTED, THREE, Tongue, all_errors, prefix};
use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::wire::eventually;

/// Nobody waits long for a member that is down.
const BRIEF: &str = "links: { connect_timeout: 200ms }";

#[test]
fn without_a_member_the_client_is_closed_and_the_cause_told() {
    for tongue in THREE {
        let proxy = tongue.setup().backend(BRIEF).before_one(own_address());
        for _ in 0..3 {
            let mut client = tongue.client(&proxy);
            client.say_all(&["add 1 2", "add 3 4"]);
            client.is_over();
        }
        let s = proxy.at_rest();
        let told = proxy.errors("connect_refused") + proxy.errors("no_member");
        assert!(
            told >= 3 && told + proxy.errors("client_abort") == all_errors(&proxy),
            "{}",
            proxy.running().metrics()
        );
        assert_eq!(s.sum("penstock_requests_in_flight"), 0);
    }
}

#[test]
fn a_refusal_is_answered_and_the_client_goes_on() {
    for tongue in THREE {
        let refusal = tongue.frame("busy").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let setup = tongue.setup_with(&format!("refusal: \"hex:{refusal}\"")).backend(BRIEF);
        let address = own_address();
        let proxy = setup.before_one(address);
        let mut client = tongue.client(&proxy);
        for _ in 0..3 {
            assert_eq!(client.ask("add 1 2"), "busy");
        }
        client.say_all(&["add 1 2", "add 1 2", "add 1 2"]);
        assert_eq!([client.answer(), client.answer(), client.answer()], ["busy", "busy", "busy"]);
        drop(client);
        assert_eq!(proxy.at_rest().sum_of("penstock_requests_total", &["code=\"5xx\""]), 6);
        assert_eq!(all_errors(&proxy), 6);
    }
}

/// The first bad frame ends a client; what was asked before is answered.
#[test]
fn what_is_too_long_is_refused_and_closed() {
    for (tongue, bytes) in [
        (Tongue::Lf, vec![b'x'; 1024]),
        (Tongue::Crlf, vec![b'\n'; 1024]),
        (COUNTED, [&1021_u32.to_be_bytes()[..], b"x"].concat()),
        (Tongue::Counted(prefix(8, true, false, 0)), u64::MAX.to_le_bytes().to_vec()),
    ] {
        for refusal in [false, true] {
            let frame = tongue.frame("no").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let more = if refusal { format!(", refusal: \"hex:{frame}\"") } else { String::new() };
            let setup = tongue.setup_with(&format!("max_length: 1KiB{more}"));
            let (origin, proxy) = setup.with(tongue.origin(1));
            for round in 1..=3 {
                let mut client = tongue.client(&proxy);
                client.say("echo before");
                client.wire.send(&bytes);
                assert_eq!(client.answer(), "before");
                if refusal {
                    assert_eq!(client.answer(), "no");
                }
                client.is_over();
                assert_eq!(proxy.errors("body_too_large"), round, "{tongue:?}");
            }
            assert_eq!(origin.stats().total().requests, 3);
            let mut client = tongue.client(&proxy);
            assert_eq!(client.ask(&format!("echo {}", "x".repeat(1000))).len(), 1000, "as long as it may be");
        }
    }
}

#[test]
fn a_count_that_cannot_be_is_refused() {
    let tongue = Tongue::Counted(prefix(2, false, true, 3));
    let (origin, proxy) = tongue.setup().with(tongue.origin(1));
    let mut client = tongue.client(&proxy);
    client.say("echo before").wire.send(b"***\0\x04rest");
    assert_eq!(client.answer(), "before");
    client.is_over();
    assert_eq!((proxy.errors("bad_request"), origin.stats().total().requests), (1, 1));
}

#[test]
fn half_a_frame_ends_in_time() {
    for tongue in THREE {
        let setup = tongue.setup().listener("timeouts: { head: 200ms }");
        let (_origin, proxy) = setup.with(tongue.origin(1));
        let mut client = tongue.client(&proxy);
        assert_eq!(client.ask("echo a"), "a");
        client.wire.send(&tongue.frame("echo b")[..5]);
        client.is_over();
        assert_eq!(proxy.errors("head_timeout"), 1);
    }
}

#[test]
fn who_waits_too_long_or_is_one_too_many_is_refused() {
    // It never answers.
    let member = Script::start(|_, mut link| drop(link.rest_and_reset()));
    let tongue = Tongue::Lf;
    let setup = tongue.setup_with("refusal: \"busy\\n\"").workers(1);
    let setup = setup
        .backend("links: { max_per_member: 1, pipeline: 1 }")
        .backend("queue: { max: 2, timeout: 400ms }");
    let proxy = setup.before_one(member.address);
    let mut first = tongue.client(&proxy);
    first.say("echo first");
    eventually("it is on its link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    let mut waiting: Vec<_> = (0..2).map(|_| tongue.client(&proxy)).collect();
    for client in &mut waiting {
        client.say("echo waits");
    }
    eventually("two wait", || proxy.sum("penstock_pool_waiting") == 2);
    assert_eq!(tongue.client(&proxy).ask("echo too many"), "busy");
    assert_eq!(proxy.errors("queue_full"), 1);
    for client in &mut waiting {
        assert_eq!(client.answer(), "busy");
    }
    assert_eq!(proxy.errors("queue_timeout"), 2);
    assert_eq!(waiting[0].ask("echo again"), "busy", "it goes on");
}

#[test]
fn clients_go_on_when_a_member_is_back() {
    let tongue = Tongue::Lf;
    let address = {
        let origin = tongue.origin(1);
        origin.addresses()[0].1
    };
    let setup = tongue.setup_with("refusal: \"busy\\n\"").backend(BRIEF);
    let proxy = setup.before_one(address);
    let mut clients: Vec<_> = (0..10).map(|_| tongue.client(&proxy)).collect();
    for _ in 0..3 {
        clients.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "busy"));
        let mut origin = None;
        eventually("its address can be bound", || {
            let listen = vec![("a".to_owned(), address)];
            let options = penstock_origin::Options { listen, speaks: tongue.speaks(), ..Default::default() };
            origin = penstock_origin::Origin::start(options).ok();
            origin.is_some()
        });
        eventually("it is found", || clients[0].ask("add 1 2") == "3");
        clients.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "3"));
        drop(origin);
        eventually("its links are gone", || proxy.sum("penstock_backend_connections") == 0);
    }
}

/// Whoever waits for the only member while that restarts is answered by it.
#[test]
fn nobody_is_refused_while_the_only_member_is_away() {
    for tongue in THREE {
        let address = own_address();
        let proxy =
            tongue.setup().backend("links: { connect_timeout: 60s }").backend("queue: { timeout: 60s }");
        let proxy = proxy.before_one(address);
        let mut clients: Vec<_> = (0..20).map(|_| tongue.client(&proxy)).collect();
        clients.iter_mut().for_each(|client| _ = client.say("add 1 2"));
        eventually("they wait", || proxy.sum("penstock_pool_waiting") == 20);
        eventually("it is seen to be down", || {
            proxy.sum_of("penstock_member_state", &["state=\"down\""]) == 1
        });
        let listen = vec![("a".to_owned(), address)];
        let options = penstock_origin::Options { listen, speaks: tongue.speaks(), ..Default::default() };
        let _origin = penstock_origin::Origin::start(options).unwrap();
        clients.iter_mut().for_each(|client| assert_eq!(client.answer(), "3"));
        drop(clients);
        assert_eq!(proxy.at_rest().sum("penstock_request_errors_total"), 0);
    }
}
