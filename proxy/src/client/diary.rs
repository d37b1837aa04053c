//! What is noted of a client's exchanges for the access log, until they have ended.
//! In: heads as they begin, bytes as they pass, ends. Out: entries for the worker's pen, in the order of the answers.
//! Knows nothing of how lines look or where they go.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::access::{Entry, Noted};
use crate::cause::Cause;
use crate::proto::http1::Request;
use crate::turn::Nanos;

use super::Client;
use super::state::State;

/// The exchanges of one client, oldest first; always empty where there is no log.
#[derive(Default)]
pub(super) struct Diary(VecDeque<Page>);

/// One exchange that is to be noted, if it is one of those that are, or if it ends badly.
pub(super) struct Page {
    noted: Option<Noted>,
    began: SystemTime,
    since: Nanos,
    ordinal: u32,
    sampled: bool,
    /// Bytes of its content so far.
    pub(super) received: u64,
    /// Bytes of its answer so far.
    pub(super) sent: u64,
}

impl Diary {
    /// The exchange whose answer comes now.
    pub(super) fn page(&mut self) -> Option<&mut Page> {
        self.0.front_mut()
    }

    /// The exchange whose request came last.
    pub(super) fn last(&mut self) -> Option<&mut Page> {
        self.0.back_mut()
    }

    /// How many have not ended.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Client {
    /// An exchange begins; `head` is `None` where it could not be read.
    pub(super) fn note(&self, s: &mut State, head: Option<&Request<'_, '_>>, since: Nanos) {
        let Some(pen) = &s.route.pen else { return };
        s.diary.0.push_back(Page {
            noted: head.map(noted),
            began: SystemTime::now(),
            since,
            ordinal: s.requests,
            sampled: pen.samples(),
            received: 0,
            sent: 0,
        });
    }

    /// The first of those that are noted has ended. `status` is 0 where it was not answered to its end.
    pub(super) fn write_down(&self, s: &mut State, status: u16, cause: Option<Cause>, service: Nanos) {
        let Some(page) = s.diary.0.pop_front() else { return };
        let Some(pen) = s.route.pen.as_ref().filter(|_| page.sampled || cause.is_some()) else { return };
        pen.write(&Entry {
            began: page.began,
            source: s.source,
            peer: self.peer,
            listener: &s.route.listener.name,
            backend: &s.route.group.settings.name,
            member: s.tie.member().map(|member| &*member.name),
            request: page.noted.as_ref(),
            status,
            cause,
            received: page.received,
            sent: page.sent,
            duration: self.hall.turn.now().saturating_sub(page.since),
            service,
            ordinal: page.ordinal,
        });
    }
}

fn noted(head: &Request<'_, '_>) -> Noted {
    let field = |name| head.field(name).map(Into::into);
    Noted {
        method: head.method_text().into(),
        target: head.target().into(),
        minor_version: head.minor_version,
        host: head.host().map(Into::into),
        user_agent: field("user-agent"),
        referer: field("referer"),
    }
}
