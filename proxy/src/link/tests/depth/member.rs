//! A simulated member: threads that serve links, each link's requests one after the other.

use std::collections::VecDeque;

use crate::event_loop::Nanos;

use super::rng::Rng;

/// What an answer takes: a thread for some time, then a timer or a disk.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) thread: Nanos,
    pub(super) wait: Nanos,
}

/// How a member serves.
#[derive(Clone, Copy)]
pub(super) struct Model {
    pub(super) threads: usize,
    /// A thread serves all requests of a link that are there before it looks at the next link.
    pub(super) stays: bool,
    /// By whether the request is one of the slow ones, and the time.
    pub(super) work: fn(bool, Nanos, &mut Rng) -> Work,
}

pub(super) struct Member {
    model: Model,
    free: usize,
    rng: Rng,
    ready: VecDeque<usize>,
    links: Vec<Link>,
}

/// As the member sees it: whether each request that waits on it is a slow one.
#[derive(Default)]
struct Link {
    pending: VecDeque<bool>,
    busy: bool,
    wait: Nanos,
    /// So many are still to be answered before the thread goes on.
    stay: usize,
}

/// What is done next on a link, and when.
pub(super) enum Next {
    ThreadDone(usize, Nanos),
    WaitDone(usize, Nanos),
    Answered(usize),
}

impl Member {
    pub(super) fn new(model: Model, seed: u64) -> Self {
        let links = Vec::new();
        Self { model, free: model.threads, rng: Rng(seed), ready: VecDeque::new(), links }
    }

    pub(super) fn came(&mut self, link: usize, requests: impl Iterator<Item = bool>) {
        if link >= self.links.len() {
            self.links.resize_with(link + 1, Link::default);
        }
        let idle = self.links[link].pending.is_empty() && !self.links[link].busy;
        self.links[link].pending.extend(requests);
        if idle && !self.links[link].pending.is_empty() {
            self.ready.push_back(link);
        }
    }

    /// The link closes behind the one in work.
    pub(super) fn cut(&mut self, link: usize) {
        self.links[link].pending.clear();
    }

    /// Work that begins now.
    pub(super) fn begin(&mut self, now: Nanos) -> Option<Next> {
        while self.free > 0 {
            let link = self.ready.pop_front()?;
            let at = &mut self.links[link];
            if at.stay == 0 && self.model.stays {
                at.stay = at.pending.len();
            }
            at.stay = at.stay.saturating_sub(1);
            let Some(slow) = at.pending.pop_front() else { continue };
            let work = (self.model.work)(slow, now, &mut self.rng);
            (at.busy, at.wait) = (true, work.wait);
            self.free -= 1;
            return Some(Next::ThreadDone(link, now + work.thread));
        }
        None
    }

    pub(super) fn thread_done(&mut self, link: usize, now: Nanos) -> Next {
        self.free += 1;
        match std::mem::take(&mut self.links[link].wait) {
            0 => self.answered(link),
            wait => Next::WaitDone(link, now + wait),
        }
    }

    pub(super) fn answered(&mut self, link: usize) -> Next {
        self.links[link].busy = false;
        if !self.links[link].pending.is_empty() {
            if self.links[link].stay > 0 { self.ready.push_front(link) } else { self.ready.push_back(link) }
        }
        Next::Answered(link)
    }
}
