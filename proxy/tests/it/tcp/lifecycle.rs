//! A drain lets tunnels go on for its time; a reload moves nobody; what cannot be changed while it runs says so.

use std::time::Duration;

use crate::support::stand::Proxy;
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{Member, are_one, pair, tcp};

fn drain(proxy: &mut Proxy) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(proxy.running_mut().drain());
}

#[test]
fn tunnels_go_on_in_a_drain_and_nobody_new_comes_in() {
    let member = Member::start();
    let mut proxy = tcp().top("drain_timeout: 20s").before_one(member.address);
    let (mut client, mut link) = pair(&proxy, &member);
    let address = proxy.address();
    let goes_on = std::thread::spawn(move || {
        eventually("nobody new comes in", || std::net::TcpStream::connect(address).is_err());
        for _ in 0..20 {
            are_one(&mut client, &mut link);
        }
        client.finish();
        link.is_over();
        link.send("goodbye").finish();
        assert_eq!(client.rest(), b"goodbye");
    });
    drain(&mut proxy);
    goes_on.join().unwrap();
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_draining"), 1);
    assert_eq!(s.sum_of("penstock_client_connections_closed_total", &["reason=\"client\""]), 1);
    assert!(member.waiting().is_none());
}

#[test]
fn tunnels_that_are_open_behind_a_drains_time_are_ended() {
    let member = Member::start();
    let mut proxy = tcp().top("drain_timeout: 200ms").before_one(member.address);
    let mut open: Vec<_> = (0..5).map(|_| pair(&proxy, &member)).collect();
    drain(&mut proxy);
    open.iter_mut().for_each(|(client, link)| are_one(client, link));
    assert_eq!(proxy.sum("penstock_client_connections"), 5);
    drop(proxy);
    for (mut client, mut link) in open {
        assert_eq!((client.rest_and_reset().0, link.rest_and_reset().0), (Vec::new(), Vec::new()));
    }
}

#[test]
fn who_has_no_link_yet_gets_none_in_a_drain() {
    let member = Member::start();
    let setup = tcp().top("drain_timeout: 20s").backend("links: { max_per_member: 1 }");
    let mut proxy = setup.before_one(member.address);
    let (client, mut link) = pair(&proxy, &member);
    let mut waits = proxy.client();
    eventually("it waits", || proxy.sum("penstock_pool_waiting") == 1);
    let ends = std::thread::spawn(move || {
        assert_eq!(waits.rest_and_reset().0, b"");
        drop(client);
        link.is_over();
    });
    drain(&mut proxy);
    ends.join().unwrap();
    let s = proxy.at_rest();
    assert_eq!(s.sum_of("penstock_client_connections_closed_total", &["reason=\"drain\""]), 1);
    assert!(member.waiting().is_none());
}

#[test]
fn a_reload_keeps_tunnels_and_those_to_a_removed_member_too() {
    let (old, new) = (Member::start(), Member::start());
    let text = |named: &[_]| tcp().text(named);
    let mut proxy = Proxy::run(&text(&[old.named("old")]));
    let mut open: Vec<_> = (0..10).map(|_| pair(&proxy, &old)).collect();
    for named in [vec![old.named("old"), new.named("new")], vec![new.named("new")], vec![new.named("other")]]
    {
        proxy.reload(&text(&named)).unwrap();
        open.iter_mut().for_each(|(client, link)| are_one(client, link));
    }
    let mut late: Vec<_> = (0..10).map(|_| pair(&proxy, &new)).collect();
    late.iter_mut().for_each(|(client, link)| are_one(client, link));
    assert!(old.waiting().is_none());
    drop((open, late));
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_client_connections_accepted_total"), 20);
    assert_eq!(s.sum("penstock_client_connections_closed_total"), 20, "I1");
    assert_eq!((s.sum("penstock_affinity_entries"), s.sum("penstock_member_sources")), (0, 0), "I10");
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
}

const TWO: &str = "\
admin: off
workers: 2
listeners:
  web: { bind: 127.0.0.1:0, protocol: tcp, backend: app }
  more: { bind: 127.0.0.1:0, protocol: tcp, backend: app }
backends:
  app: { members: { a: ADDRESS } }
";

#[test]
fn tunnels_of_a_removed_listener_go_on() {
    let member = Member::start();
    let both = TWO.replace("ADDRESS", &member.address.to_string());
    let one: String =
        both.lines().filter(|line| !line.contains("more")).map(|line| format!("{line}\n")).collect();
    let mut proxy = Proxy::run(&both);
    let more = proxy.running().address("more").unwrap();
    let (mut client, mut link) = (Wire::connect(more), member.next());
    proxy.reload(&one).unwrap();
    eventually("nobody new comes in", || std::net::TcpStream::connect(more).is_err());
    while member.waiting().is_some() {}
    are_one(&mut client, &mut link);
    client.finish();
    link.is_over();
    link.send("goodbye").finish();
    assert_eq!(client.rest(), b"goodbye");
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
}

#[test]
fn what_a_listener_speaks_does_not_change_while_it_runs() {
    let member = Member::start();
    let mut proxy = Proxy::run(&tcp().text(&[member.named("a")]));
    let (mut client, mut link) = pair(&proxy, &member);
    let http = crate::support::stand::Setup::new().text(&[member.named("a")]);
    let why = proxy.reload(&http).unwrap_err();
    assert!(why.contains("listeners.web") && why.contains("protocol"), "{why}");
    are_one(&mut client, &mut link);
    let (mut client, mut link) = pair(&proxy, &member);
    are_one(&mut client, &mut link);
}

#[test]
fn new_limits_are_those_of_new_tunnels() {
    let member = Member::start();
    let text = |idle: &str| {
        tcp().listener(&format!("tunnel: {{ idle_timeout: {idle} }}")).text(&[member.named("a")])
    };
    let mut proxy = Proxy::run(&text("off"));
    let (mut old, mut its_link) = pair(&proxy, &member);
    proxy.reload(&text("200ms")).unwrap();
    eventually("they are in force", || {
        let (mut client, _link) = pair(&proxy, &member);
        client.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        std::io::Read::read(&mut client.stream, &mut [0]).is_ok()
    });
    are_one(&mut old, &mut its_link);
}
