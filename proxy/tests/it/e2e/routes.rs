//! Requests go where the first rule that matches says, each by itself; answers stay in order.

use crate::support::stand::{Proxy, Setup, origin};
use crate::support::wire::{fields, request};

const TWO: &str = "
workers: 2
admin: off
listeners:
  web:
    bind: 127.0.0.1:0
    backend: app
    routes:
      - match: { host: api.example.com, path_prefix: /v1 }
        backend: api
      - match: { header: { x-canary: any } }
        backend: api
backends:
  app: { members: { a: \"APP\" } }
  api: { members: { a: \"API\" } }
";

fn two() -> (penstock_origin::Origin, Proxy) {
    let origin = origin(2);
    let at = |i: usize| origin.addresses()[i].1.to_string();
    let proxy = Proxy::run(&TWO.replace("APP", &at(0)).replace("API", &at(1)));
    (origin, proxy)
}

fn asked(host: &str, target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

#[test]
fn each_request_goes_its_own_way_and_answers_keep_their_order() {
    let (_origin, proxy) = two();
    let mut client = proxy.client();
    let ways = [
        (asked("api.example.com", "/v1/x", ""), "b"),
        (asked("www.example.com", "/v1/x", ""), "a"),
        (asked("API.example.com:80", "/v1", ""), "b"),
        (asked("api.example.com", "/v10", ""), "a"),
        (asked("h", "/hello", "X-Canary: 1\r\n"), "b"),
        (request("GET", "/hello"), "a"),
        (asked("h", "http://api.example.com/v1/", ""), "b"),
    ];
    for round in 0..3 {
        let together: String = ways.iter().map(|(request, _)| request.as_str()).collect();
        client.send(together);
        for (request, member) in &ways {
            let answer = client.answer();
            assert_eq!(fields(&answer.head, "x-member"), [*member], "round {round}: {request}");
        }
    }
    let scrape = proxy.at_rest_after(client);
    let of = |backend: &str| scrape.sum_of("penstock_requests_total", &[&format!("backend=\"{backend}\"")]);
    assert_eq!((of("app"), of("api")), (9, 12));
    assert_eq!(scrape.sum("penstock_affinity_entries"), 0, "nobody is tied to anything any more");
}

#[test]
fn a_reload_takes_away_a_rule_and_its_backend() {
    let (origin, mut proxy) = two();
    let mut client = proxy.client();
    let canary = asked("h", "/hello", "X-Canary: 1\r\n");
    assert_eq!(client.send(&canary).answer().member(), "b");
    let app = origin.addresses()[0].1;
    let one = Setup::new().text(&[("a".to_owned(), app)]);
    proxy.reload(&one).unwrap();
    assert_eq!(client.send(&canary).answer().member(), "a");
    assert_eq!(client.get("/hello").member(), "a");
}

#[test]
fn the_source_is_whom_a_trusted_proxy_speaks_for() {
    let origin = origin(3);
    let proxy = Setup::new().listener("trusted_proxies: [127.0.0.0/8]").before(origin.addresses());
    let mut client = proxy.client();
    let mut member = |source: &str| {
        let said = format!("X-Forwarded-For: {source}\r\n");
        client.send(asked("h", "/hello", &said)).answer().member()
    };
    let sources: Vec<_> = (1..40).map(|i| format!("192.0.2.{i}")).collect();
    let met: Vec<_> = sources.iter().map(|source| member(source)).collect();
    let again: Vec<_> = sources.iter().map(|source| member(source)).collect();
    assert_eq!(met, again, "a source always meets the same member");
    let mut all = met;
    all.sort();
    all.dedup();
    assert_eq!(all, ["a", "b", "c"]);
}
