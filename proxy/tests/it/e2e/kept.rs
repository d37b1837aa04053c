//! Credentials that belong to a connection (NTLM, Negotiate): the link is its client's, until either ends it.

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};

/// A member that knows who is at the other end of each connection once it has heard NTLM there.
fn ntlm() -> Script {
    Script::start(|_, mut wire| {
        let mut user = "nobody".to_owned();
        while let Some(head) = wire.next_head() {
            let said = head.lines().find_map(|line| line.strip_prefix("Authorization: NTLM "));
            user = said.map_or(user, str::to_owned);
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{user}", user.len()));
        }
    })
}

fn setup(links: usize) -> Setup {
    Setup::new().workers(1).backend(&format!("links: {{ max_per_member: {links}, idle_timeout: 200ms }}"))
}

fn log_in(proxy: &Proxy, user: &str) -> Wire {
    let mut client = proxy.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM {user}\r\n\r\n"));
    assert_eq!(client.answer().text(), user);
    client
}

#[test]
fn who_has_logged_in_is_who_it_is_and_nobody_else_is() {
    let member = ntlm();
    let proxy = setup(4).before_one(member.address);
    let mut anna = log_in(&proxy, "anna");
    let mut bert = log_in(&proxy, "bert");
    let mut stranger = proxy.client();
    for _ in 0..20 {
        assert_eq!(anna.get("/").text(), "anna");
        assert_eq!(bert.get("/").text(), "bert");
        assert_eq!(stranger.get("/").text(), "nobody");
    }
    anna.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    // The body is not read by this member, so it answers twice; what matters is who it believes it talks to.
    assert_eq!(anna.answer().text(), "anna");
}

#[test]
fn its_link_goes_with_its_client() {
    let member = ntlm();
    let proxy = setup(2).before_one(member.address);
    drop(log_in(&proxy, "anna"));
    let pinned = || proxy.sum_of("penstock_backend_connections_closed_total", &["reason=\"pinned\""]);
    eventually("the link has ended", || pinned() == 1);
    assert_eq!(proxy.client().get("/").text(), "nobody");
}

#[test]
fn one_link_is_left_to_the_others() {
    let member = ntlm();
    let proxy = setup(2).backend("queue: { timeout: 100ms }").before_one(member.address);
    let mut anna = log_in(&proxy, "anna");
    let mut bert = proxy.client();
    bert.send("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM bert\r\n\r\n");
    assert_eq!(bert.answer().cause(), (503, "queue_timeout"));
    assert_eq!(proxy.client().get("/").text(), "nobody");
    assert_eq!(anna.get("/").text(), "anna");
}

#[test]
fn a_kept_link_is_not_idle() {
    let member = ntlm();
    let proxy = setup(4).before_one(member.address);
    let mut anna = log_in(&proxy, "anna");
    let mut stranger = proxy.client();
    stranger.get("/");
    let idle = || proxy.sum_of("penstock_backend_connections_closed_total", &["reason=\"idle\""]);
    eventually("the stranger's link was unused for too long", || idle() == 1);
    assert_eq!(anna.get("/").text(), "anna");
}
