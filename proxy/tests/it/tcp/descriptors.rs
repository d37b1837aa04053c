//! When descriptors run out, tunnels that stand go on, newcomers wait or are refused, and nothing spins.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::binary::Binary;
use crate::support::own_address::own_address;
use crate::support::scrape::Scrape;
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{Member, are_one};

fn limit(proxy: &Binary, more: u64) {
    let open = std::fs::read_dir(format!("/proc/{}/fd", proxy.id())).unwrap().count() as u64;
    let limit = Rlimit { current: Some(open + more), ..getrlimit(Resource::Nofile) };
    prlimit(Pid::from_raw(proxy.id() as i32), Resource::Nofile, limit).unwrap();
}

#[test]
fn who_finds_no_descriptor_is_told_and_others_go_on() {
    let member = Member::start();
    let bind = own_address();
    let text = format!(
        "admin: 127.0.0.1:0\nworkers: 1\nlisteners:\n  db: {{ bind: \"{bind}\", protocol: tcp, backend: pg }}\n  \
         web: {{ bind: 127.0.0.1:0, backend: app }}\nbackends:\n  pg: {{ members: {{ a: \"{0}\" }} }}\n  \
         app: {{ members: {{ a: \"{0}\" }} }}\n",
        member.address
    );
    let proxy = Binary::run(&text);
    let metrics = proxy.listener("metrics");
    let mut scraper = Wire::connect(metrics);
    let mut scrape = move || Scrape::new(scraper.get("/metrics").text());
    scrape();
    let mut open: Vec<_> = (0..5).map(|_| (Wire::connect(bind), member.next())).collect();
    limit(&proxy, 9);
    let mut more: Vec<_> = (0..20).map(|_| Wire::connect(bind)).collect();
    let no_port = |s: &Scrape| s.sum_of("penstock_request_errors_total", &["cause=\"connect_no_port\""]);
    let emfile = |s: &Scrape| s.sum_of("penstock_accept_errors_total", &["error=\"emfile\""]);
    eventually("there is none left", || emfile(&scrape()) > 0 || no_port(&scrape()) > 0);
    open.iter_mut().for_each(|(client, link)| are_one(client, link));
    let s = scrape();
    assert_eq!(s.sum_of("penstock_member_state", &["state=\"up\""]), 2, "it was not the member's fault");
    assert!(emfile(&s) < 1000, "{} failures to accept", emfile(&s));

    limit(&proxy, 500);
    more.clear();
    open.clear();
    eventually("all came in, and have gone", || {
        while member.waiting().is_some() {}
        let s = scrape();
        let accepted = s.sum("penstock_client_connections_accepted_total");
        (accepted, s.sum("penstock_client_connections"), s.sum("penstock_backend_connections")) == (25, 0, 0)
    });
    while member.waiting().is_some() {}
    let (mut client, mut link) = (Wire::connect(bind), member.next());
    are_one(&mut client, &mut link);
}
