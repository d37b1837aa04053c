//! One slow answer does not hold up those behind it, where they may be sent twice; and nothing else is sent twice.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use crate::framed::given::Tongue;
use crate::support::script::Script;
use crate::support::stand::Proxy;
use crate::support::wire::eventually;

/// A gate that a member's slow answer waits behind.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// Answers `e` to whatever is one byte, at once; to `s` when the gate is open. Counts what it was asked.
fn member(gate: Gate, asked: Arc<AtomicUsize>) -> Script {
    Script::start(move |_, mut link| {
        while let Some(line) = next(&mut link) {
            asked.fetch_add(1, SeqCst);
            if line == b's' {
                gate.wait();
            }
            link.send([line, b'\n']);
        }
    })
}

/// The next line, of one byte.
fn next(link: &mut crate::support::wire::Wire) -> Option<u8> {
    let mut two = [0; 2];
    std::io::Read::read_exact(&mut link.stream, &mut two).ok().map(|()| two[0])
}

/// A proxy before it that has learned to pipeline: quick answers were had.
fn learned(member: &Script, repeatable: bool) -> Proxy {
    let setup = Tongue::Lf.setup_with(&format!("repeatable: {repeatable}")).workers(1);
    let setup = setup
        .backend("links: { pipeline: 1024, max_per_member: 4, rescue_after: 20ms, rescue_budget: 100% }");
    let proxy = setup.before_one(member.address);
    let mut client = Tongue::Lf.client(&proxy);
    eventually("it pipelines", || {
        client.say_all(&["q"; 16]);
        (0..16).for_each(|_| assert_eq!(client.answer(), "q"));
        proxy.sum("penstock_backend_pipeline_depth_limit") >= 8
    });
    proxy
}

#[test]
fn those_behind_a_slow_answer_are_answered_before_it() {
    let (gate, asked) = (Gate::default(), Arc::default());
    let member = member(gate.clone(), Arc::clone(&asked));
    let proxy = learned(&member, true);
    let (mut slow, before) = (Tongue::Lf.client(&proxy), asked.load(SeqCst));
    slow.say("s");
    let mut others: Vec<_> = (0..10).map(|_| Tongue::Lf.client(&proxy)).collect();
    for _ in 0..5 {
        for client in &mut others {
            client.say("q");
        }
        // They are answered while the gate is shut.
        others.iter_mut().for_each(|client| assert_eq!(client.answer(), "q"));
    }
    gate.open();
    assert_eq!(slow.answer(), "s");
    drop((slow, others));
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    let twice = s.sum_of("penstock_retries_total", &["reason=\"rescue\"", "result=\"ok\""]) as usize;
    let more = asked.load(SeqCst) - before - 51;
    assert!(more <= twice, "{more} were sent twice, {twice} counted");
}

#[test]
fn what_may_not_be_repeated_waits_and_is_sent_once() {
    let (gate, asked) = (Gate::default(), Arc::default());
    let member = member(gate.clone(), Arc::clone(&asked));
    let proxy = learned(&member, false);
    let (mut slow, before) = (Tongue::Lf.client(&proxy), asked.load(SeqCst));
    slow.say("s");
    let mut others: Vec<_> = (0..10).map(|_| Tongue::Lf.client(&proxy)).collect();
    for client in &mut others {
        client.say("q");
    }
    eventually("all are in flight or answered", || proxy.sum("penstock_pool_waiting") == 0);
    gate.open();
    assert_eq!(slow.answer(), "s");
    others.iter_mut().for_each(|client| assert_eq!(client.answer(), "q"));
    assert_eq!(asked.load(SeqCst) - before, 11);
    assert_eq!(proxy.sum_of("penstock_retries_total", &["reason=\"rescue\"", "result=\"ok\""]), 0);
}

/// The included origin: a client that asks for slow answers, again and again, and others beside it.
#[test]
fn a_slow_head_of_the_origins_does_not_hold_up_others() {
    let setup = Tongue::Lf.setup_with("repeatable: true").workers(1);
    let setup = setup.backend("links: { pipeline: 1024, max_per_member: 8, rescue_budget: 100% }");
    let (_origin, proxy) = setup.with(Tongue::Lf.origin(1));
    let mut clients: Vec<_> = (0..20).map(|_| Tongue::Lf.client(&proxy)).collect();
    for round in 0..50 {
        clients
            .iter_mut()
            .for_each(|client| assert_eq!(client.ask(&format!("echo {round}")), round.to_string()));
    }
    let mut slow = Tongue::Lf.client(&proxy);
    slow.say("delay 2000 echo slow");
    // So many round trips are more than it takes, if each of them waited.
    for round in 0..200 {
        for client in &mut clients {
            client.say(&format!("echo {round}"));
        }
        clients.iter_mut().for_each(|client| assert_eq!(client.answer(), round.to_string()));
        if round == 3 {
            eventually("only the slow one is in flight still", || {
                proxy.sum("penstock_requests_in_flight") == 1
            });
        }
    }
    assert_eq!(slow.answer(), "slow");
    drop((slow, clients));
    assert_eq!(proxy.at_rest().sum("penstock_request_errors_total"), 0);
}
