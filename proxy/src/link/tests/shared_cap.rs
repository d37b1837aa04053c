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
use crate::link::dedicated::shared_cap::{LinkPermit, SharedCap, WarmLink};

const PATIENT: QueueLimits = QueueLimits { max: 2, timeout: Duration::from_secs(3600) };

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn limited(cap: u32, warm: u32) -> Links {
    Links { max_per_member: cap.try_into().unwrap(), warm, ..links() }
}

fn stock(cap: u32, warm: u32) -> Arc<SharedCap> {
    let shared_cap = Arc::new(SharedCap::default());
    shared_cap.configure(&limited(cap, warm));
    shared_cap
}

fn places(shared_cap: &Arc<SharedCap>, count: usize) -> Vec<LinkPermit> {
    (0..count).map(|_| shared_cap.try_permit(None).expect("a free place")).collect()
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
    let shared_cap = stock(3, 0);
    let mut held = places(&shared_cap, 3);
    assert!(shared_cap.try_permit(None).is_none());
    held.pop();
    assert!(shared_cap.try_permit(None).is_some());
}

#[test]
fn without_a_cap_there_is_always_a_place() {
    let shared_cap = stock(Links::NO_CAP.get(), 0);
    assert_eq!(places(&shared_cap, 100_000).len(), 100_000);
}

#[test]
fn who_waits_first_is_served_first_and_nobody_pushes_in() {
    let shared_cap = stock(1, 0);
    let held = places(&shared_cap, 1);
    let (mut first, mut second) =
        (pin!(shared_cap.wait(SOURCE, &PATIENT)), pin!(shared_cap.wait(SOURCE, &PATIENT)));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(held);
    assert!(shared_cap.try_permit(None).is_none(), "it is promised to the first");
    assert!(poll(second.as_mut()).is_pending());
    let Poll::Ready(Ok(permit)) = poll(first.as_mut()) else { panic!("the first is not served") };
    drop(permit);
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(_))));
}

#[test]
fn who_gives_up_waiting_leaves_the_turn_to_the_next() {
    let shared_cap = stock(1, 0);
    let held = places(&shared_cap, 1);
    let mut first = Box::pin(shared_cap.wait(SOURCE, &PATIENT));
    let mut second = pin!(shared_cap.wait(SOURCE, &PATIENT));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(held);
    drop(first);
    assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(_))));
}

#[test]
fn no_more_wait_than_may() {
    let shared_cap = stock(1, 0);
    let _held = places(&shared_cap, 1);
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(shared_cap.wait(SOURCE, &PATIENT))).collect();
    waiting.iter_mut().for_each(|w| assert!(poll(w.as_mut()).is_pending()));
    assert!(matches!(poll(pin!(shared_cap.wait(SOURCE, &PATIENT))), Poll::Ready(Err(Cause::QueueFull))));
    waiting.pop();
    assert!(poll(pin!(shared_cap.wait(SOURCE, &PATIENT))).is_pending());
}

#[test]
fn a_lower_cap_takes_effect_as_places_are_given_back() {
    let shared_cap = stock(4, 0);
    let mut held = places(&shared_cap, 3);
    shared_cap.configure(&limited(2, 0));
    assert!(shared_cap.try_permit(None).is_none());
    held.pop();
    assert!(shared_cap.try_permit(None).is_none(), "two are in use, as many as may be");
    held.pop();
    assert!(shared_cap.try_permit(None).is_some());
}

#[test]
fn a_higher_cap_takes_effect_at_once_also_after_a_lower_one() {
    let shared_cap = stock(3, 0);
    let mut held = places(&shared_cap, 3);
    shared_cap.configure(&limited(1, 0));
    shared_cap.configure(&limited(5, 0));
    held.extend(places(&shared_cap, 2));
    assert!(shared_cap.try_permit(None).is_none());
    drop(held);
    assert_eq!(places(&shared_cap, 5).len(), 5);
    assert!(shared_cap.try_permit(None).is_some(), "those five were given back");
}

/// A warm link, and the member's side of it.
fn warm(shared_cap: &Arc<SharedCap>) -> (WarmLink, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let permit = shared_cap.try_permit(None).unwrap();
    (WarmLink { stream: stream.into(), permit }, listener.accept().unwrap().0)
}

#[test]
fn the_warm_link_that_waited_longest_is_taken_first() {
    let shared_cap = stock(9, 2);
    assert_eq!(shared_cap.missing(), 2);
    let ((first, _m1), (second, _m2)) = (warm(&shared_cap), warm(&shared_cap));
    let port = first.stream.local_addr().unwrap().as_socket().unwrap().port();
    shared_cap.put(first);
    shared_cap.put(second);
    assert_eq!(shared_cap.missing(), 0);
    let taken = shared_cap.take(|| panic!("none is dead")).unwrap();
    assert_eq!(taken.stream.local_addr().unwrap().as_socket().unwrap().port(), port);
    assert_eq!(shared_cap.missing(), 1);
}

#[test]
fn a_warm_link_that_the_member_closed_is_passed_over_and_gives_its_place_back() {
    let shared_cap = stock(2, 2);
    let ((dead, member), (alive, mut other)) = (warm(&shared_cap), warm(&shared_cap));
    shared_cap.put(dead);
    shared_cap.put(alive);
    drop(member);
    other.write_all(b"220 ready").unwrap(); // a banner is no reason to pass it over
    let mut passed_over = 0;
    assert!(shared_cap.take(|| passed_over += 1).is_some());
    assert_eq!(passed_over, 1);
    assert!(shared_cap.take(|| ()).is_none());
    assert_eq!(places(&shared_cap, 2).len(), 2);
}

#[test]
fn a_sweep_finds_the_closed_ones_and_those_that_are_too_many() {
    let shared_cap = stock(9, 3);
    let mut members = Vec::new();
    for _ in 0..3 {
        let (link, member) = warm(&shared_cap);
        shared_cap.put(link);
        members.push(member);
    }
    assert_eq!(shared_cap.sweep(), (0, 0));
    members.remove(1);
    assert_eq!(shared_cap.sweep(), (1, 0), "closed");
    shared_cap.configure(&limited(9, 1));
    assert_eq!(shared_cap.sweep(), (0, 1), "too many");
    assert_eq!(shared_cap.clear(), 1);
    assert!(shared_cap.take(|| ()).is_none());
}

#[test]
fn a_warm_link_gives_its_place_to_one_who_waits() {
    let shared_cap = stock(2, 1);
    let (link, _member) = warm(&shared_cap);
    shared_cap.put(link);
    let _held = places(&shared_cap, 1);
    let mut waiting = pin!(shared_cap.wait(SOURCE, &PATIENT));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(shared_cap.sweep(), (0, 1));
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
fn tunnels<const N: usize>(shared_cap: &Arc<SharedCap>, times: [u64; N]) -> ([LinkPermit; N], Arc<Woken>) {
    let links = Links { evict_idle: Some(Duration::from_nanos(1)), ..limited(N as u32, 0) };
    shared_cap.configure(&links);
    let (event_loop, woken) = (EventLoop::new(), Arc::new(Woken::default()));
    let places = times.map(|at| {
        let mut permit = shared_cap.try_permit(Some(SOURCE)).unwrap();
        permit.used_by(SOURCE, &event_loop, woken.clone().into());
        permit.moved(at);
        permit
    });
    std::thread::sleep(Duration::from_millis(1)); // the times are nanoseconds after the start
    (places, woken)
}

fn wanted(places: &[LinkPermit]) -> Vec<bool> {
    places.iter().map(LinkPermit::is_wanted).collect()
}

#[test]
fn for_each_who_waits_the_tunnel_that_is_idle_longest_gives_way() {
    let shared_cap = stock(4, 0);
    let (places, woken) = tunnels(&shared_cap, [30, 10, 40, 20]);
    assert_eq!(wanted(&places), [false; 4], "nobody waits");
    let mut first = pin!(shared_cap.wait(SOURCE, &PATIENT));
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(wanted(&places), [false, true, false, false]);
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "it waits on, and one is told");
    let mut second = pin!(shared_cap.wait(SOURCE, &PATIENT));
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
    let shared_cap = stock(2, 0);
    let (places, _) = tunnels(&shared_cap, [1, 2]);
    let mut waiting = Box::pin(shared_cap.wait(SOURCE, &PATIENT));
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
    let shared_cap = stock(3, 1);
    let (link, _member) = warm(&shared_cap);
    let (places, _) = {
        shared_cap.put(link);
        let links = Links { evict_idle: Some(Duration::from_nanos(1)), ..limited(3, 1) };
        shared_cap.configure(&links);
        let event_loop = EventLoop::new();
        let places = [1, 2].map(|at| {
            let mut permit = shared_cap.try_permit(Some(SOURCE)).unwrap();
            permit.used_by(SOURCE, &event_loop, Waker::noop().clone());
            permit.moved(at);
            permit
        });
        std::thread::sleep(Duration::from_millis(1));
        (places, ())
    };
    let mut first = pin!(shared_cap.wait(SOURCE, &PATIENT));
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(wanted(&places), [false, false]);
    let mut second = pin!(shared_cap.wait(SOURCE, &PATIENT));
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!(wanted(&places), [true, false]);
    assert_eq!(shared_cap.sweep(), (0, 1));
    assert!(matches!(poll(first.as_mut()), Poll::Ready(Ok(_))));
}
