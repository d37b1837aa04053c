//! Remembers what the last response told of the member: its version, how long its links may be unused, and whether content may follow.

use crate::event_loop::Nanos;
use crate::proto::http::Method;

use super::answer::{AnswerEnd, AnswerKind};

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link) struct MemberTraits {
    /// Until when it is taken to speak HTTP/1.0: what cannot be sent to such a member is not, and so would never find out
    /// that it has become another.
    old_until: Nanos,
    /// A link that is unused for longer may be closed by the member any time.
    pub(in crate::link) longest_idle: Nanos,
}

impl Default for MemberTraits {
    fn default() -> Self {
        Self { old_until: 0, longest_idle: Nanos::MAX }
    }
}

/// Whether content may come behind the last answer of a link that should have none. Some servers send it: in answer to
/// HEAD, with 204, with 304. Read for the next answer, it would reach the next client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::link) enum Doubt {
    /// It had its content.
    #[default]
    None,
    /// It had its content, and the link was quiet after one before that had none.
    Quiet,
    /// The link is to be looked at before it is used again.
    Look,
    /// And it rests before that, since content may come a moment later.
    Rest,
}

impl Doubt {
    /// After an answer to `ask`. A link that was seen to be quiet after a 204 or 304 needs not rest after each; what is
    /// said in answer to HEAD depends on what was asked for.
    pub(in crate::link) fn after(self, ask: AnswerKind, end: &AnswerEnd) -> Self {
        let AnswerKind::Http(ask) = ask else { return self };
        match (ask.method, end.status) {
            (Method::Head, _) => Self::Rest,
            (_, 204 | 304) if self == Self::None => Self::Rest,
            (_, 204 | 304) => Self::Look,
            _ if self == Self::None => Self::None,
            _ => Self::Quiet,
        }
    }

    /// Whether the link rests.
    pub(in crate::link) fn rests(self) -> bool {
        self == Self::Rest
    }

    /// Whether the link is to be looked at.
    pub(in crate::link) fn looks(self) -> bool {
        matches!(self, Self::Look | Self::Rest)
    }

    /// It has rested.
    pub(in crate::link) fn rested(self) -> Self {
        if self == Self::Rest { Self::Look } else { self }
    }
}

const SECOND: Nanos = 1_000_000_000;
/// So long after its last answer in HTTP/1.0 a member is taken for what it was.
const OLD_FOR: Nanos = 60 * SECOND;

impl MemberTraits {
    /// What an answer tells that ended at `now`.
    pub(in crate::link) fn of(end: &AnswerEnd, now: Nanos) -> Self {
        let old_until = if end.old { now.saturating_add(OLD_FOR) } else { 0 };
        Self { old_until, longest_idle: end.kept_for.map_or(Nanos::MAX, longest_idle) }
    }

    /// Whether the member is taken to speak HTTP/1.0.
    pub(in crate::link) fn is_old(&self, now: Nanos) -> bool {
        now < self.old_until
    }
}

/// A second less than the member keeps it (`Keep-Alive: timeout=`), so that a request does not meet its FIN; half of
/// it where that is more.
fn longest_idle(seconds: u32) -> Nanos {
    let kept = Nanos::from(seconds) * SECOND;
    kept.saturating_sub(SECOND).max(kept / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_spoke_http_1_0_is_asked_again_after_a_while() {
        let told = |old, now| MemberTraits::of(&AnswerEnd { old, ..AnswerEnd::plain(200) }, now);
        assert!(told(true, SECOND).is_old(60 * SECOND) && !told(true, SECOND).is_old(61 * SECOND));
        assert!(!told(false, SECOND).is_old(SECOND) && !MemberTraits::default().is_old(0));
    }

    #[test]
    fn links_go_before_the_member_closes_them() {
        let told =
            |kept_for| MemberTraits::of(&AnswerEnd { kept_for, ..AnswerEnd::plain(200) }, 0).longest_idle;
        assert_eq!(told(None), Nanos::MAX);
        assert_eq!(told(Some(5)), 4 * SECOND);
        assert_eq!(told(Some(1)), SECOND / 2);
        assert_eq!(told(Some(0)), 0);
    }
}
