//! Only members that were shown to keep order are pipelined to, and nobody gets what is left over on a link.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{eventually, request};

fn depth(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_backend_pipeline_depth_limit")
}

fn reason(proxy: &Proxy, reason: &str) -> i64 {
    let reason = format!("reason=\"{reason}\"");
    proxy.sum_of("penstock_backend_pipeline_depth_reason", &[&reason])
}

fn offences(proxy: &Proxy, kind: &str) -> i64 {
    proxy.sum_of("penstock_backend_offences_total", &[&format!("kind=\"{kind}\"")])
}

fn pipelined(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_pool_acquires_total", &["result=\"pipelined\""])
}

#[test]
fn a_member_of_known_software_is_pipelined_to_once_a_probe_has_passed() {
    let (_origin, proxy) =
        Setup::new().workers(1).backend("links: { pipeline: auto, pipeline_budget: 10s }").with_origin(1);
    let mut client = proxy.client();
    eventually("it is proven", || {
        client.get("/");
        depth(&proxy) == 32
    });
    assert_eq!(reason(&proxy, "unproven"), 0);
}

#[test]
fn a_member_of_unknown_software_is_neither_probed_nor_pipelined_to() {
    for server in ["", "Server: foo/1.0\r\n", "Server: TwistedWeb/23.8.0\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{server}Content-Length: 2\r\n\r\nok");
        let heads = Arc::new(AtomicUsize::new(0));
        let count = heads.clone();
        let member = Script::start(move |_, mut wire| {
            while wire.next_head().is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                wire.send(&answer);
            }
        });
        let proxy = Setup::new()
            .workers(1)
            .backend("links: { pipeline: auto, pipeline_budget: 10s }")
            .before_one(member.address);
        let mut client = proxy.client();
        for _ in 0..10 {
            client.send(request("GET", "/").repeat(10));
            (0..10).for_each(|_| assert_eq!(client.answer().text(), "ok"));
        }
        assert_eq!((depth(&proxy), reason(&proxy, "unproven")), (1, 1), "{server:?}");
        assert_eq!(pipelined(&proxy), 0, "{server:?}");
        assert_eq!(heads.load(Ordering::SeqCst), 100, "nobody but the client has asked: {server:?}");
    }
}

/// A member that sends content in answer to HEAD, in a way that reads like an answer, or a moment later.
#[test]
fn what_follows_an_answer_to_head_reaches_nobody() {
    const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for pipeline in ["auto", "32"] {
        let member = Script::start(|_, mut wire| {
            while let Some(head) = wire.next_head() {
                if head.starts_with("HEAD") {
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n");
                    wire.send(POISON);
                } else {
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            }
        });
        let links = format!("links: {{ max_per_member: 1, pipeline: {pipeline}, pipeline_budget: 10s }}");
        let proxy = Setup::new().workers(1).backend(&links).before_one(member.address);
        let (mut head, mut other) = (proxy.client(), proxy.client());
        for _ in 0..20 {
            head.send(request("HEAD", "/") + &request("GET", "/behind"));
            other.send(request("GET", "/other").repeat(3));
            assert_eq!(head.answer_to("HEAD").status, 200);
            assert_eq!(head.answer().text(), "ok", "pipeline: {pipeline}");
            (0..3).for_each(|_| assert_eq!(other.answer().text(), "ok", "pipeline: {pipeline}"));
        }
        assert!(offences(&proxy, "surplus") >= 1, "pipeline: {pipeline}");
    }
}

/// CR LF behind a body, on a link that others wait on: they are sent again, and one offence is enough.
#[test]
fn what_follows_a_body_costs_those_behind_it_nothing() {
    let member = Script::start(|_, mut wire| {
        while let Some(head) = wire.next_head() {
            let noise = if head.contains("/noise") { "\r\n" } else { "" };
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{noise}"));
        }
    });
    let links = "links: { max_per_member: 1, pipeline: 32, pipeline_budget: 10s, rescue_after: off }";
    let proxy = Setup::new().workers(1).backend(links).before_one(member.address);
    let mut client = proxy.client();
    eventually("it is pipelined to", || {
        client.get("/");
        depth(&proxy) > 1
    });
    client.send(request("GET", "/noise") + &request("GET", "/behind").repeat(5));
    (0..6).for_each(|_| assert_eq!(client.answer().text(), "ok"));
    assert_eq!(offences(&proxy, "surplus") + offences(&proxy, "answer"), 1);
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}
