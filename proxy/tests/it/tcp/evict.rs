//! While others wait for a place, tunnels in which nothing moves give way, and no source has more than its share.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{Member, are_one, end, pair, says, stand, tcp};

fn evicting(cap: usize, idle: &str) -> Setup {
    tcp().backend(&format!("links: {{ max_per_member: {cap}, evict_idle: {idle} }}"))
}

fn evicted(proxy: &Proxy) -> (i64, i64) {
    let of = |name| proxy.sum_of(name, &["reason=\"evicted\""]);
    (of("penstock_client_connections_closed_total"), of("penstock_backend_connections_closed_total"))
}

fn waiting(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_pool_waiting")
}

/// Which of them has been ended, in order.
#[track_caller]
fn over(pairs: &mut Vec<(Wire, Wire)>, which: usize) {
    let (mut client, mut link) = pairs.remove(which);
    client.is_over();
    link.is_over();
}

#[test]
fn for_each_who_waits_the_tunnel_that_is_idle_longest_gives_way() {
    for workers in [1, 4] {
        let (proxy, member) = stand(&evicting(6, "1ms").workers(workers));
        let mut pairs: Vec<_> = (0..6).map(|_| pair(&proxy, &member)).collect();
        // The order of their last words is not that in which they came.
        for which in [3, 0, 5, 1, 4, 2] {
            let (client, link) = &mut pairs[which];
            are_one(client, link);
            std::thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(evicted(&proxy), (0, 0), "nobody waits");
        // Positions among those that are left.
        for (round, which) in (1..).zip([3, 0, 3, 0]) {
            let mut next = pair(&proxy, &member);
            are_one(&mut next.0, &mut next.1);
            over(&mut pairs, which);
            eventually("it is counted", || evicted(&proxy) == (round, round));
            // The newcomer is busy from now on, and never the one that is idle longest.
            pairs.push(next);
            let open = pairs.len();
            assert_eq!(open, 6);
            for (client, link) in &mut pairs[6 - round as usize..] {
                are_one(client, link);
            }
            assert!(member.waiting().is_none());
        }
        for (client, link) in &mut pairs {
            are_one(client, link);
        }
        drop(pairs);
        let s = proxy.at_rest();
        assert_eq!(s.sum("penstock_request_errors_total"), 0);
        assert_eq!(s.sum("penstock_backend_connections"), 0);
        assert_eq!(s.sum("penstock_client_connections_accepted_total"), 10);
    }
}

#[test]
fn many_who_wait_at_once_are_each_made_room_for() {
    let (proxy, member) = stand(&evicting(20, "100ms").workers(3));
    let mut idle: Vec<_> = (0..20).map(|_| pair(&proxy, &member)).collect();
    let mut newcomers: Vec<_> = (0..12).map(|_| proxy.client()).collect();
    for (number, client) in newcomers.iter_mut().enumerate() {
        client.send([number as u8]);
    }
    let mut links: Vec<_> = (0..12).map(|_| member.next()).collect();
    for link in &mut links {
        let client = &mut newcomers[usize::from(link.take(1)[0])];
        are_one(client, link);
    }
    let left = idle.iter_mut().filter(|(client, _)| {
        client.stream.set_nonblocking(true).unwrap();
        client.stream.peek(&mut [0]).is_err()
    });
    assert_eq!(left.count(), 8, "one for each who waited");
    assert_eq!(evicted(&proxy), (12, 12));
}

/// Who does not read is idle, too; but it must not take what it has got for all there was.
#[test]
fn a_stream_that_stands_still_gives_way_by_a_reset() {
    let (proxy, member) = stand(&evicting(1, "100ms").backend("queue: { timeout: 60s }"));
    let (mut client, mut link) = pair(&proxy, &member);
    let writing = std::thread::spawn(move || {
        let some = vec![b'x'; 1 << 20];
        while std::io::Write::write_all(&mut link.stream, &some).is_ok() {}
    });
    let mut next = pair(&proxy, &member);
    are_one(&mut next.0, &mut next.1);
    writing.join().unwrap();
    assert!(client.rest_and_reset().1);
    assert_eq!(evicted(&proxy), (1, 1));
}

#[test]
fn nobody_gives_way_while_nobody_waits() {
    let (proxy, member) = stand(&evicting(4, "20ms").workers(2));
    let mut pairs: Vec<_> = (0..4).map(|_| pair(&proxy, &member)).collect();
    std::thread::sleep(Duration::from_millis(300));
    for (client, link) in &mut pairs {
        are_one(client, link);
    }
    assert_eq!(evicted(&proxy), (0, 0));
}

#[test]
fn who_moves_stays_and_who_waits_waits_until_somebody_does_not() {
    let (proxy, member) = stand(&evicting(2, "500ms").backend("queue: { timeout: 60s }").workers(2));
    let (mut busy, mut other) = (pair(&proxy, &member), pair(&proxy, &member));
    let mut client = proxy.client();
    client.send("hello");
    eventually("it waits", || waiting(&proxy) == 1);
    // One way is enough to be busy.
    let mut link = None;
    eventually("the other has given way", || {
        says(&mut busy.0, "still here", &mut busy.1);
        says(&mut busy.1, "me too", &mut busy.0);
        link = member.waiting();
        link.is_some()
    });
    assert_eq!(link.unwrap().take(5), b"hello");
    other.0.is_over();
    other.1.is_over();
    are_one(&mut busy.0, &mut busy.1);
    assert_eq!((evicted(&proxy), waiting(&proxy)), ((1, 1), 0));
}

#[test]
fn it_is_off_unless_it_is_asked_for_and_can_be_turned_on() {
    let member = Member::start();
    let queue = "queue: { timeout: 60s }";
    let off = tcp().backend("links: { max_per_member: 1 }").backend(queue).text(&[member.named("a")]);
    let on = evicting(1, "10ms").backend(queue).text(&[member.named("a")]);
    let mut proxy = Proxy::run(&off);
    let mut first = pair(&proxy, &member);
    let mut second = proxy.client();
    second.send("second");
    eventually("it waits", || waiting(&proxy) == 1);
    std::thread::sleep(Duration::from_millis(200));
    are_one(&mut first.0, &mut first.1);
    proxy.reload(&on).unwrap();
    let mut third = proxy.client();
    third.send("third");
    eventually("they wait", || waiting(&proxy) == 2);
    are_one(&mut first.0, &mut first.1); // it keeps the limits that it came with
    end(&proxy, first);
    let mut link = member.next();
    assert_eq!(link.take(6), b"second");
    // The second came when it was on, and is idle while the third waits.
    let mut last = member.next();
    assert_eq!(last.take(5), b"third");
    second.is_over();
    link.is_over();
    assert_eq!(evicted(&proxy), (1, 1));
}

/// A client from this address, which says its number as soon as it is heard.
fn from(proxy: &Proxy, source: u8, number: usize) -> Wire {
    let before = waiting(proxy);
    let mut client = proxy.client_from([127, 80, 0, source]);
    client.send(format!("{source:02}/{number:02}"));
    eventually("it waits", || waiting(proxy) == before + 1);
    client
}

#[test]
fn those_who_wait_are_served_by_turns_of_their_sources() {
    let (proxy, member) =
        stand(&tcp().backend("links: { max_per_member: 1, max_per_source: off }").workers(2));
    let mut last = pair(&proxy, &member);
    let mut clients = std::collections::HashMap::new();
    for (source, many) in [(1, 6), (2, 1), (3, 2)] {
        for number in 0..many {
            clients.insert(format!("{source:02}/{number:02}"), from(&proxy, source, number));
        }
    }
    for expected in ["01/00", "02/00", "03/00", "01/01", "03/01", "01/02", "01/03", "01/04", "01/05"] {
        end(&proxy, last);
        let mut link = member.next();
        assert_eq!(String::from_utf8(link.take(5)).unwrap(), expected);
        last = (clients.remove(expected).unwrap(), link);
    }
}

#[test]
fn no_source_gets_more_than_its_share_while_others_wait() {
    let setup = |option| {
        let links = format!("links: {{ max_per_member: 8, max_per_source: {option} }}");
        tcp().backend(&links).backend("queue: { timeout: 60s }").workers(2)
    };
    for (before, option, more_for_one) in
        [("auto", "auto", 0), ("2", "2", 0), ("3", "3", 1), ("off", "off", 1), ("off", "2", 0), ("2", "3", 1)]
    {
        let (mut proxy, member) = stand(&setup(before));
        let source = |link: &mut Wire| link.take(5)[1] - b'0';
        // One source has all places, because nobody else wants one.
        let mut held: Vec<_> = (0..8).map(|_| pair(&proxy, &member)).collect();
        if option != before {
            proxy.reload(&setup(option).text(&[member.named("a")])).unwrap();
        }
        let greedy: Vec<_> = (0..8).map(|i| from(&proxy, 1, i)).collect();
        let modest: Vec<_> = [2, 3, 4].map(|of| from(&proxy, of, 0)).into();
        let mut counts = [0; 5];
        let mut links = Vec::new();
        for _ in 0..5 {
            end(&proxy, held.pop().unwrap());
            let mut link = member.next();
            counts[usize::from(source(&mut link))] += 1;
            links.push(link);
        }
        assert_eq!(counts[2..], [1, 1, 1], "{option}");
        assert_eq!(counts[1], 2, "{option}: by turns, and nobody else waits at the end");
        let late: Vec<_> = [5, 6, 7].map(|of| from(&proxy, of, 0)).into();
        let mut more = 0;
        for _ in 0..3 {
            end(&proxy, held.pop().unwrap());
            let mut link = member.next();
            more += usize::from(source(&mut link) == 1);
            links.push(link);
        }
        assert_eq!(more, more_for_one, "{option}: at its turn, if it has less than its share");
        drop((greedy, modest, late));
    }
}

/// A source is whom a PROXY header names, also here.
#[test]
fn the_source_is_whom_a_proxy_header_names() {
    let setup = tcp().listener("proxy_protocol: required").listener("trusted: any");
    let (proxy, member) = stand(&setup.backend("links: { max_per_member: 1, max_per_source: off }"));
    let named = |source: SocketAddr, text: &str| {
        let mut client = proxy.client();
        client.send(format!("PROXY TCP4 {} 127.0.0.1 {} 80\r\n{text}", source.ip(), source.port()));
        client
    };
    let at = |host: u8, port: u16| SocketAddr::from(([10, 0, 0, host], port));
    let first = (named(at(1, 1), "0"), member.next());
    let mut rest = Vec::new();
    for (i, source) in (1..).zip([at(1, 2), at(1, 3), at(2, 1)]) {
        rest.push(named(source, &i.to_string()));
        eventually("it waits", || waiting(&proxy) == i);
    }
    drop(first);
    for expected in [b"1", b"3", b"2"] {
        let mut link = member.next();
        assert_eq!(link.take(1), expected);
        rest.remove(if expected == b"3" { 1 } else { 0 });
    }
}
