//! Tests of what workers share of a member of a TCP backend: places in order, and warm links.

use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::links;
use crate::cause::Cause;
use crate::config::{Links, QueueLimits};
use crate::event_loop::EventLoop;
use crate::link::dedicated::stock::{Place, Stock, WarmLink};

const PATIENT: QueueLimits = QueueLimits { max: 2, timeout: Duration::from_secs(3600) };

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn limited(cap: u32, warm: u32) -> Links {
    Links { max_per_member: cap.try_into().unwrap(), warm, ..links() }
}

fn stock(cap: u32, warm: u32) -> Arc<Stock> {
    let stock = Arc::new(Stock::default());
    stock.configure(&limited(cap, warm));
    stock
}

fn places(stock: &Arc<Stock>, count: usize) -> Vec<Place> {
    (0..count).map(|_| stock.try_place(None).expect("a free place")).collect()
}

/// One look at a future. The queue's timeout needs a runtime, which does not move here.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    }
    RUNTIME.with(|runtime| {
        let _entered = runtime.enter();
        future.poll(&mut Context::from_waker(Waker::noop()))
    })
}

#[test]
fn there_are_as_many_places_as_the_cap_says() {
    let stock = stock(3, 0);
    let mut held = places(&stock, 3);
    assert!(stock.try_place(None).is_none());
    held.pop();
    assert!(stock.try_place(None).is_some());
}

#[test]
fn without_a_cap_there_is_always_a_place() {
    let stock = stock(Links::NO_CAP.get(), 0);
    assert_eq!(places(&stock, 100_000).len(), 100_000);
}

#[test]
fn who_waits_first_is_served_first_and_nobody_pushes_in() {
    let stock = stock(1, 0);
    let held = places(&stock, 1);
    let (mut first, mut second) = (pin!(stock.wait(SOURCE, &PATIENT)), pin!(stock.wait(SOURCE, &PATIENT)));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(held);
    assert!(stock.try_place(None).is_none(), "it is promised to the first");
    assert!(poll(second.as_mut()).is_pending());
    let Poll::Ready(Ok(place)) = poll(first.as_mut()) else { panic!("the first is not served") };
    drop(place);
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(_))));
}

#[test]
fn who_gives_up_waiting_leaves_the_turn_to_the_next() {
    let stock = stock(1, 0);
    let held = places(&stock, 1);
    let mut first = Box::pin(stock.wait(SOURCE, &PATIENT));
    let mut second = pin!(stock.wait(SOURCE, &PATIENT));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(held);
    drop(first);
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(_))));
}

#[test]
fn no_more_wait_than_may() {
    let stock = stock(1, 0);
    let _held = places(&stock, 1);
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(stock.wait(SOURCE, &PATIENT))).collect();
    waiting.iter_mut().for_each(|w| assert!(poll(w.as_mut()).is_pending()));
    assert!(matches!(poll(pin!(stock.wait(SOURCE, &PATIENT))), Poll::Ready(Err(Cause::QueueFull))));
    waiting.pop();
    assert!(poll(pin!(stock.wait(SOURCE, &PATIENT))).is_pending());
}

#[test]
fn a_lower_cap_takes_effect_as_places_are_given_back() {
    let stock = stock(4, 0);
    let mut held = places(&stock, 3);
    stock.configure(&limited(2, 0));
    assert!(stock.try_place(None).is_none());
    held.pop();
    assert!(stock.try_place(None).is_none(), "two are in use, as many as may be");
    held.pop();
    assert!(stock.try_place(None).is_some());
}

#[test]
fn a_higher_cap_takes_effect_at_once_also_after_a_lower_one() {
    let stock = stock(3, 0);
    let mut held = places(&stock, 3);
    stock.configure(&limited(1, 0));
    stock.configure(&limited(5, 0));
    held.extend(places(&stock, 2));
    assert!(stock.try_place(None).is_none());
    drop(held);
    assert_eq!(places(&stock, 5).len(), 5);
    assert!(stock.try_place(None).is_some(), "those five were given back");
}

/// A warm link, and the member's side of it.
fn warm(stock: &Arc<Stock>) -> (WarmLink, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let place = stock.try_place(None).unwrap();
    (WarmLink { stream: stream.into(), place }, listener.accept().unwrap().0)
}

#[test]
fn the_warm_link_that_waited_longest_is_taken_first() {
    let stock = stock(9, 2);
    assert_eq!(stock.missing(), 2);
    let ((first, _m1), (second, _m2)) = (warm(&stock), warm(&stock));
    let port = first.stream.local_addr().unwrap().as_socket().unwrap().port();
    stock.put(first);
    stock.put(second);
    assert_eq!(stock.missing(), 0);
    let taken = stock.take(|| panic!("none is dead")).unwrap();
    assert_eq!(taken.stream.local_addr().unwrap().as_socket().unwrap().port(), port);
    assert_eq!(stock.missing(), 1);
}

#[test]
fn a_warm_link_that_the_member_closed_is_passed_over_and_gives_its_place_back() {
    let stock = stock(2, 2);
    let ((dead, member), (alive, mut other)) = (warm(&stock), warm(&stock));
    stock.put(dead);
    stock.put(alive);
    drop(member);
    other.write_all(b"220 ready").unwrap(); // a banner is no reason to pass it over
    let mut passed_over = 0;
    assert!(stock.take(|| passed_over += 1).is_some());
    assert_eq!(passed_over, 1);
    assert!(stock.take(|| ()).is_none());
    assert_eq!(places(&stock, 2).len(), 2);
}

#[test]
fn a_sweep_finds_the_closed_ones_and_those_that_are_too_many() {
    let stock = stock(9, 3);
    let mut members = Vec::new();
    for _ in 0..3 {
        let (link, member) = warm(&stock);
        stock.put(link);
        members.push(member);
    }
    assert_eq!(stock.sweep(), (0, 0));
    members.remove(1);
    assert_eq!(stock.sweep(), (1, 0), "closed");
    stock.configure(&limited(9, 1));
    assert_eq!(stock.sweep(), (0, 1), "too many");
    assert_eq!(stock.clear(), 1);
    assert!(stock.take(|| ()).is_none());
}

#[test]
fn a_warm_link_gives_its_place_to_one_who_waits() {
    let stock = stock(2, 1);
    let (link, _member) = warm(&stock);
    stock.put(link);
    let _held = places(&stock, 1);
    let mut waiting = pin!(stock.wait(SOURCE, &PATIENT));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(stock.sweep(), (0, 1));
    assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Ok(_))));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Places of tunnels in which something moved last at these times, in seconds, and what wakes their tasks. They are
/// idle for long enough from the start.
fn tunnels<const N: usize>(stock: &Arc<Stock>, times: [u64; N]) -> ([Place; N], Arc<Woken>) {
    let links = Links { evict_idle: Some(Duration::from_nanos(1)), ..limited(N as u32, 0) };
    stock.configure(&links);
    let (event_loop, woken) = (EventLoop::new(), Arc::new(Woken::default()));
    let places = times.map(|at| {
        let mut place = stock.try_place(Some(SOURCE)).unwrap();
        place.used_by(SOURCE, &event_loop, woken.clone().into());
        place.moved(at);
        place
    });
    std::thread::sleep(Duration::from_millis(1)); // the times are nanoseconds after the start
    (places, woken)
}

fn wanted(places: &[Place]) -> Vec<bool> {
    places.iter().map(Place::is_wanted).collect()
}

#[test]
fn for_each_who_waits_the_tunnel_that_is_idle_longest_gives_way() {
    let stock = stock(4, 0);
    let (places, woken) = tunnels(&stock, [30, 10, 40, 20]);
    assert_eq!(wanted(&places), [false; 4], "nobody waits");
    let mut first = pin!(stock.wait(SOURCE, &PATIENT));
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(wanted(&places), [false, true, false, false]);
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "it waits on, and one is told");
    let mut second = pin!(stock.wait(SOURCE, &PATIENT));
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(wanted(&places), [false, true, false, true]);
    assert!(places[1].gives_way() && places[3].gives_way() && !places[0].gives_way());
    let [one, _two, three, four] = places;
    drop(four);
    assert!(matches!(poll(first.as_mut()), Poll::Ready(Ok(_))), "in the order in which they came");
    assert_eq!(wanted(&[one, three]), [false, false]);
}

#[test]
fn a_tunnel_in_which_something_moved_or_for_which_nobody_waits_stays() {
    let stock = stock(2, 0);
    let (places, _) = tunnels(&stock, [1, 2]);
    let mut waiting = Box::pin(stock.wait(SOURCE, &PATIENT));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(wanted(&places), [true, false]);
    places[0].moved(3_600_000_000_000);
    assert!(!places[0].gives_way(), "it is not idle any more");
    assert_eq!(wanted(&places), [false, true], "so the other is to");
    drop(waiting);
    assert!(!places[1].gives_way(), "nobody waits any more");
    assert_eq!(wanted(&places), [false, false]);
}

#[test]
fn a_warm_link_gives_way_before_a_tunnel_does() {
    let stock = stock(3, 1);
    let (link, _member) = warm(&stock);
    let (places, _) = {
        stock.put(link);
        let links = Links { evict_idle: Some(Duration::from_nanos(1)), ..limited(3, 1) };
        stock.configure(&links);
        let event_loop = EventLoop::new();
        let places = [1, 2].map(|at| {
            let mut place = stock.try_place(Some(SOURCE)).unwrap();
            place.used_by(SOURCE, &event_loop, Waker::noop().clone());
            place.moved(at);
            place
        });
        std::thread::sleep(Duration::from_millis(1));
        (places, ())
    };
    let mut first = pin!(stock.wait(SOURCE, &PATIENT));
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(wanted(&places), [false, false]);
    let mut second = pin!(stock.wait(SOURCE, &PATIENT));
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(wanted(&places), [true, false]);
    assert_eq!(stock.sweep(), (0, 1));
    assert!(matches!(poll(first.as_mut()), Poll::Ready(Ok(_))));
}
