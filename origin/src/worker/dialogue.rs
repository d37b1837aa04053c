//! Serves one client's socket of bytes on a worker: reads and writes at the same time, and ends when both
//! directions have.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::alarm::Alarm;
use super::outbox::Outbox;
use super::stream::Stream;
use super::{Scratch, Worker};
use crate::sockets::LINGER;
use crate::speaker::Speaker;
use crate::stats::Seat;

/// The number of unsent bytes from which nothing is read.
const HIGH_WATER: usize = 64 * 1024;

/// A connection and its machine. As a future, it ends with the connection.
pub(super) struct Dialogue {
    stream: Stream,
    speaker: Speaker,
    unsent: Outbox,
    own_side: OwnSide,
    /// Whether the client has shut its side.
    heard_all: bool,
    /// The time of the last activity, recorded only if there is an idle timeout.
    last_active: Instant,
    alarm: Alarm,
    worker: Rc<Worker>,
    _seat: Seat,
}

/// The state of this side: `Open -> Shut`.
#[derive(Clone, Copy)]
enum OwnSide {
    Open,
    /// Everything has been sent. The client is awaited to shut its side, until this time if there is one.
    Shut(Option<Instant>),
}

impl Dialogue {
    /// Makes a connection that first sends `said`, and of which `early` has been read already.
    pub(super) fn new(
        stream: Stream,
        speaker: Speaker,
        said: &[u8],
        early: &[u8],
        worker: Rc<Worker>,
        seat: Seat,
    ) -> Self {
        let mut dialogue = Self {
            stream,
            speaker,
            unsent: Outbox::default(),
            own_side: OwnSide::Open,
            heard_all: false,
            last_active: Instant::now(),
            alarm: Alarm::default(),
            worker,
            _seat: seat,
        };
        dialogue.unsent.add(said);
        if !early.is_empty() {
            dialogue.unsent.add(dialogue.speaker.hear(early, &mut Vec::new(), Instant::now));
        }
        dialogue
    }

    /// Moves bytes in both directions until neither moves, then waits for a deadline, if there is one.
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let spoke = self.speak(cx)?;
            let heard = self.hear(cx)?;
            if self.heard_all && matches!(self.own_side, OwnSide::Shut(_)) {
                return Poll::Ready(Ok(()));
            }
            if spoke.is_ready() || heard.is_ready() {
                self.moved();
            } else if ready!(self.wait(cx)) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Sends bytes. It is ready when some were sent or the side was shut.
    fn speak(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unsent.is_empty() {
            return self.send_rest(cx);
        }
        let supply = self.speaker.supply();
        if !supply.is_empty() {
            let sent = self.stream.write(cx, supply)?;
            self.speaker.supplied(sent);
            return if sent > 0 { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        if self.speaker.is_over() && matches!(self.own_side, OwnSide::Open) {
            ready!(self.stream.poll_shutdown(cx))?;
            let until = if self.speaker.is_patient() { None } else { Some(Instant::now() + LINGER) };
            self.own_side = OwnSide::Shut(until);
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn send_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.stream.write(cx, self.unsent.left())?;
        self.unsent.sent(sent);
        if sent > 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Receives bytes. It is ready when some came or the client shut its side.
    fn hear(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.heard_all || self.unsent.left().len() >= HIGH_WATER {
            return Poll::Pending;
        }
        // `wait` waits until then.
        let Ok(most) = self.speaker.attention(Instant::now) else { return Poll::Pending };
        let worker = Rc::clone(&self.worker);
        let Scratch { input, output } = &mut *worker.scratch.borrow_mut();
        let most = most.min(input.len());
        let count = ready!(self.stream.poll_read(cx, &mut input[..most]))?;
        if count == 0 {
            self.heard_all = true;
            self.speaker.heard_all(output);
            return Poll::Ready(self.say(cx, output));
        }
        let said = self.speaker.hear(&input[..count], output, Instant::now);
        Poll::Ready(self.say(cx, said))
    }

    /// Sends at once what the socket accepts, after bytes that it did not accept before.
    fn say(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.unsent.is_empty() { self.stream.write(cx, bytes)? } else { 0 };
        if sent < bytes.len() {
            self.unsent.add(&bytes[sent..]);
        }
        Ok(())
    }

    fn moved(&mut self) {
        if self.worker.idle_timeout.is_some() {
            self.last_active = Instant::now();
        }
    }

    /// Waits for the earliest deadline. Returns true if it ends the connection, and false if more bytes may
    /// be read.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let idle = self.worker.idle_timeout.map(|allowed| self.last_active + allowed);
        let linger = match self.own_side {
            OwnSide::Open => None,
            OwnSide::Shut(until) => until,
        };
        let listens = if self.heard_all { None } else { self.speaker.attention(Instant::now).err() };
        let end = idle.into_iter().chain(linger).min();
        let Some(until) = end.into_iter().chain(listens).min() else { return Poll::Pending };
        ready!(self.alarm.poll_until(until, cx));
        Poll::Ready(end == Some(until))
    }
}

impl Future for Dialogue {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // An error means only that the client has gone.
        self.poll_on(cx).map(drop)
    }
}
