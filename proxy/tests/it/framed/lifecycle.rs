//! A drain lets exchanges end; a reload loses none, also where it changes what a frame is.

use penstock_bench::{Plan, Stop, Work};

use crate::framed::given::{COUNTED, Client, THREE, Tongue, all_errors, prefix};
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::eventually;

fn drain(proxy: &mut Proxy) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(proxy.running_mut().drain());
}

#[test]
fn a_drain_answers_what_was_asked_and_closes() {
    for tongue in THREE {
        let setup = tongue.setup().top("drain_timeout: 20s");
        let (_origin, mut proxy) = setup.with(tongue.origin(1));
        let mut idle: Vec<_> = (0..10).map(|_| tongue.client(&proxy)).collect();
        idle.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "3"));
        let mut busy: Vec<_> = (0..10).map(|_| tongue.client(&proxy)).collect();
        for client in &mut busy {
            client.say_all(&["delay 1000 echo a", "echo b"]);
        }
        let asked = ["add 1 2", "delay 1000 echo a", "echo b"];
        let said = 10 * tongue.frames(&asked).len() as i64;
        eventually("all was heard", || proxy.sum("penstock_client_received_bytes_total") == said);
        drain(&mut proxy);
        for client in &mut busy {
            assert_eq!([client.answer(), client.answer()], ["a", "b"]);
            client.is_over();
        }
        idle.iter_mut().for_each(Client::is_over);
        let s = proxy.at_rest();
        assert_eq!(s.sum_of("penstock_client_connections_closed_total", &["reason=\"drain\""]), 20);
        assert_eq!(all_errors(&proxy), 0);
    }
}

/// Another configuration every few milliseconds, while clients ask.
#[test]
fn reloads_lose_no_exchange() {
    for tongue in THREE {
        let origin = tongue.origin(3);
        let all = origin.addresses().to_vec();
        let text = |setup: &Setup, members: usize| setup.text(&all[..members]);
        let links =
            |n: usize| tongue.setup().backend(&format!("links: {{ pipeline: 1024, max_per_member: {n} }}"));
        let texts = [
            text(&links(8), 3),
            text(&links(4), 3),
            text(&links(8), 2),
            text(&links(2), 1),
            text(&tongue.setup(), 3),
        ];
        let mut proxy = Proxy::run(&texts[0]);
        let parts = vec![(5, Work::Add(String::new())), (1, Work::Add("delay 2".to_owned()))];
        let plan = Plan {
            clients: 40,
            depth: 3,
            work: Work::Mixed(parts),
            stop: Stop::Requests(300),
            timeout: std::time::Duration::from_secs(60),
            ..tongue.plan(&proxy)
        };
        let load = std::thread::spawn(move || penstock_bench::run(&plan).unwrap());
        let mut reloads = 0;
        while !load.is_finished() || reloads < 10 {
            reloads += 1;
            proxy.reload(&texts[reloads % texts.len()]).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let report = load.join().unwrap();
        assert!(report.is_clean(), "{tongue:?}, after {reloads} reloads: {report:?}");
    }
}

/// Who is amid an exchange gets its answer as it asked; who asks next is read as the new configuration says.
#[test]
fn a_reload_may_change_what_a_frame_is() {
    let big = Tongue::Counted(prefix(2, false, false, 0));
    let little = Tongue::Counted(prefix(4, true, true, 1));
    for (before, after) in
        [(big, little), (little, big), (Tongue::Lf, Tongue::Crlf), (Tongue::Crlf, Tongue::Lf)]
    {
        let (old, new) = (before.origin(1), after.origin(1));
        let mut proxy = Proxy::run(&before.setup().text(old.addresses()));
        let mut busy: Vec<_> = (0..10).map(|_| before.client(&proxy)).collect();
        for client in &mut busy {
            client.say("delay 1000 echo before");
        }
        let mut idle: Vec<_> = (0..10).map(|_| before.client(&proxy)).collect();
        idle.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "3"));
        eventually("all are in flight", || proxy.sum("penstock_requests_in_flight") == 10);
        proxy.reload(&after.setup().text(new.addresses())).unwrap();
        busy.iter_mut().for_each(|client| assert_eq!(client.answer(), "before"));
        for client in busy.iter_mut().chain(&mut idle) {
            client.tongue = after;
            assert_eq!(client.ask("echo after"), "after", "{before:?} to {after:?}");
        }
        assert_eq!(after.client(&proxy).ask("echo new"), "new");
    }
}

/// The same member at the same address, asked in other frames: its old links are not used for them.
#[test]
fn links_of_the_old_frames_carry_none_of_the_new() {
    for (before, after) in [
        (Tongue::Counted(prefix(4, false, false, 0)), Tongue::Counted(prefix(4, false, true, 0))),
        (Tongue::Lf, COUNTED),
    ] {
        let origin = before.origin(1);
        let address = origin.addresses()[0].1;
        let mut proxy = Proxy::run(&before.setup().text(origin.addresses()));
        let mut client = before.client(&proxy);
        assert_eq!(client.ask("add 1 2"), "3");
        let taken = proxy.reload(&after.setup().text(origin.addresses()));
        if before == Tongue::Lf {
            assert!(taken.unwrap_err().contains("protocol"));
            assert_eq!(client.ask("add 1 2"), "3");
            continue;
        }
        taken.unwrap();
        drop(origin);
        let listen = vec![("a".to_owned(), address)];
        let mut origin = None;
        eventually("its address can be bound", || {
            let options = penstock_origin::Options {
                listen: listen.clone(),
                speaks: after.speaks(),
                ..Default::default()
            };
            origin = penstock_origin::Origin::start(options).ok();
            origin.is_some()
        });
        client.tongue = after;
        assert_eq!(client.ask("add 1 2"), "3");
    }
}

#[test]
fn a_new_limit_holds_for_clients_that_are_there() {
    let tongue = Tongue::Lf;
    let origin = tongue.origin(1);
    let text = |length: &str| tongue.setup_with(&format!("max_length: {length}")).text(origin.addresses());
    let mut proxy = Proxy::run(&text("1KiB"));
    let mut client = tongue.client(&proxy);
    assert_eq!(client.ask("echo a"), "a");
    proxy.reload(&text("100KiB")).unwrap();
    let long = "x".repeat(50_000);
    assert_eq!(client.ask(&format!("echo {long}")), long);
    proxy.reload(&text("1KiB")).unwrap();
    client.say(&format!("echo {long}")).is_over();
    assert_eq!(proxy.errors("body_too_large"), 1);
}
