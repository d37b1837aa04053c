//! Every byte arrives, unchanged, in order, both ways at once, however either side cuts, pauses or ends first.

use std::net::{Shutdown, TcpStream};
use std::thread::{Scope, ScopedJoinHandle};

use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{Member, are_one, pair, says, stand, tcp};
use crate::tcp::stream::{Manner, Random, read, write};

/// One connection: what each side sends, and how.
#[derive(Clone, Copy)]
struct Plan {
    seed: u64,
    up: u64,
    down: u64,
    manner: Manner,
}

impl Plan {
    const fn down_seed(&self) -> u64 {
        self.seed ^ 0xd0d0
    }
}

/// So many connections, each way together so many bytes. Some say nothing at all in one direction.
fn plans(seed: u64, connections: usize, bytes: u64, manner: Manner) -> Vec<Plan> {
    let mut random = Random::new(seed);
    let mut shares = |n: usize| -> Vec<u64> {
        let weights: Vec<_> =
            (0..n).map(|_| if random.one_in(12) { 0 } else { 1 + random.below(100) as u64 }).collect();
        let sum: u64 = weights.iter().sum();
        weights.iter().map(|weight| bytes * weight / sum).collect()
    };
    let both = shares(connections).into_iter().zip(shares(connections));
    both.enumerate().map(|(i, (up, down))| Plan { seed: seed << 16 | i as u64, up, down, manner }).collect()
}

/// One end of a connection: writes its own stream, ends it by FIN, and checks what comes, all at once.
fn play<'s>(
    scope: &'s Scope<'s, '_>,
    stream: TcpStream,
    (own, length): (u64, u64),
    other: u64,
    manner: Manner,
) -> ScopedJoinHandle<'s, u64> {
    scope.spawn(move || {
        std::thread::scope(|both| {
            both.spawn(|| {
                write(&stream, own, length, manner).unwrap_or_else(|e| panic!("seed {own:#x}: {e}"));
                stream.shutdown(Shutdown::Write).unwrap();
            });
            read(&stream, other, manner)
        })
    })
}

/// Connects one pair after the other, so that both ends know each other, and plays all of them at once.
fn run(proxy: &Proxy, member: &Member, plans: &[Plan]) {
    std::thread::scope(|scope| {
        let playing: Vec<_> = plans
            .iter()
            .map(|plan| {
                let (client, link) = pair(proxy, member);
                let up = play(scope, link.stream, (plan.down_seed(), plan.down), plan.seed, plan.manner);
                let down = play(scope, client.stream, (plan.seed, plan.up), plan.down_seed(), plan.manner);
                (plan, up, down)
            })
            .collect();
        for (plan, up, down) in playing {
            assert_eq!(up.join().unwrap(), plan.up, "seed {:#x}: bytes at the member", plan.seed);
            assert_eq!(down.join().unwrap(), plan.down, "seed {:#x}: bytes at the client", plan.seed);
        }
    });
}

/// All connections have ended in order, and the proxy counted the same bytes on all four sides.
fn counted(proxy: &Proxy, plans: &[Plan]) {
    let s = proxy.at_rest();
    let (up, down): (u64, u64) = plans.iter().fold((0, 0), |(u, d), plan| (u + plan.up, d + plan.down));
    assert_eq!(s.sum("penstock_client_received_bytes_total") as u64, up);
    assert_eq!(s.sum("penstock_backend_sent_bytes_total") as u64, up);
    assert_eq!(s.sum("penstock_backend_received_bytes_total") as u64, down);
    assert_eq!(s.sum("penstock_client_sent_bytes_total") as u64, down);
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    assert_eq!(s.sum("penstock_client_connections_accepted_total"), plans.len() as i64);
    assert_eq!(s.sum("penstock_backend_connections"), 0);
}

fn exact(setup: &Setup, plans: &[Plan]) -> i64 {
    println!("seed {:#x}", plans[0].seed >> 16);
    let (proxy, member) = stand(setup);
    run(&proxy, &member, plans);
    counted(&proxy, plans);
    proxy.sum("penstock_tunnel_spliced_bytes_total")
}

/// A hundred megabytes each way; with `PENSTOCK_SOAK` set, as many for each connection.
#[test]
fn fifty_connections_carry_100_mb_each_way_at_once() {
    let times = if std::env::var_os("PENSTOCK_SOAK").is_some() { 50 } else { 1 };
    let plans = plans(0x5eed_0001, 50, times * 100_000_000, Manner::Fitful);
    let spliced = exact(&tcp(), &plans);
    assert!(spliced > 0, "streams of megabytes are spliced");
}

#[test]
fn streams_at_full_speed_are_spliced_and_exact() {
    let plans = plans(0x5eed_0002, 4, 80_000_000, Manner::Steady);
    let spliced = exact(&tcp().workers(1), &plans);
    assert!(spliced > 40_000_000, "only {spliced} bytes were spliced");
}

#[test]
fn streams_are_copied_where_splicing_is_off() {
    let plans = plans(0x5eed_0006, 4, 40_000_000, Manner::Steady);
    assert_eq!(exact(&tcp().listener("tunnel: { splice: false }"), &plans), 0);
}

#[test]
fn more_streams_than_there_are_pipes_are_exact() {
    let plans = plans(0x5eed_0003, 160, 80_000_000, Manner::Steady);
    exact(&tcp().workers(1), &plans);
}

/// Streams that break off with bytes in a pipe, which the next stream is lent.
#[test]
fn what_is_left_of_a_broken_stream_comes_up_in_no_other() {
    let (proxy, member) = stand(&tcp().workers(1));
    let spliced = || proxy.sum("penstock_tunnel_spliced_bytes_total");
    for seed in 0x5eed_0100..0x5eed_0110 {
        let (client, link) = pair(&proxy, &member);
        let before = spliced();
        let writing = std::thread::spawn(move || {
            // It ends with an error, as nobody reads it to its end.
            let _ = write(&link.stream, !seed, 1 << 40, Manner::Steady);
        });
        let mut moved = -1;
        eventually("it was spliced, and all buffers are full", || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let now = spliced();
            std::mem::replace(&mut moved, now) == now && now > before
        });
        client.reset();
        writing.join().unwrap();
        run(&proxy, &member, &[Plan { seed, up: 2_000_000, down: 5_000_000, manner: Manner::Steady }]);
    }
}

#[test]
fn the_smallest_buffers_are_exact() {
    let small = "socket: { receive_buffer: 1024, send_buffer: 1024 }";
    let plans = plans(0x5eed_0004, 10, 50_000, Manner::Fitful);
    exact(&tcp().listener(small).backend(small), &plans);
    exact(&tcp().listener("socket: { receive_buffer: 1024 }"), &plans);
    exact(&tcp().backend("socket: { receive_buffer: 1024 }"), &plans);
}

#[test]
fn a_thousand_small_messages_are_copied() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link) = pair(&proxy, &member);
    for i in 0..1000 {
        says(&mut client, &format!("question {i}"), &mut link);
        says(&mut link, &format!("answer {i}"), &mut client);
    }
    drop((client, link));
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_tunnel_spliced_bytes_total"), 0);
    assert_eq!(s.sum("penstock_client_received_bytes_total"), s.sum("penstock_backend_sent_bytes_total"));
}

#[test]
fn who_does_not_read_holds_up_only_itself() {
    let (proxy, member) = stand(&tcp().workers(1));
    let (client, link) = pair(&proxy, &member);
    let seed = 0x5eed_0005;
    let writer = std::thread::spawn(move || {
        let sent = write(&link.stream, seed, 60_000_000, Manner::Steady);
        link.stream.shutdown(Shutdown::Write).unwrap();
        (sent, link)
    });
    let mut moved = -1;
    eventually("all buffers between the two are full", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = proxy.sum("penstock_backend_received_bytes_total");
        std::mem::replace(&mut moved, now) == now && now > 0
    });
    assert!(moved < 60_000_000, "a client that reads nothing was sent everything");
    let (mut other, mut its_link) = pair(&proxy, &member);
    are_one(&mut other, &mut its_link);
    assert_eq!(read(&client.stream, seed, Manner::Steady), 60_000_000);
    writer.join().unwrap().0.unwrap();
}

/// A server that sends first is heard without a word of the client's.
#[test]
fn a_banner_is_delivered() {
    let (proxy, member) = stand(&tcp());
    let (mut client, mut link): (Wire, Wire) = pair(&proxy, &member);
    says(&mut link, "220 mail.example ESMTP\r\n", &mut client);
    are_one(&mut client, &mut link);
}
