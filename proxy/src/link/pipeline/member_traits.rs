//! Remembers what the last response says of the member: its version, how long its links may be unused, and whether content may
//! follow.

use crate::event_loop::Nanos;
use crate::proto::http::Method;

use super::answer::{AnswerEnd, AnswerKind};

/// The traits of a member, as its last response shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link) struct MemberTraits {
    /// The time until which the member is taken to speak HTTP/1.0. It is limited, because requests that need 1.1 are not sent
    /// to such a member, which therefore could never show that it has changed.
    old_until: Nanos,
    /// The time, in nanoseconds, after which the member may close an unused link at any moment.
    pub(in crate::link) longest_idle: Nanos,
}

impl Default for MemberTraits {
    fn default() -> Self {
        Self { old_until: 0, longest_idle: Nanos::MAX }
    }
}

/// The likelihood that content comes behind an answer that should have none. Some servers send it: in answer to HEAD, with 204,
/// with 304. If it were read as the next answer, it would reach the next client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::link) enum Doubt {
    /// The last answer had its content.
    #[default]
    None,
    /// The last answer had its content, and the link was quiet after an earlier one that had none.
    Quiet,
    /// The link must be looked at before it is used again.
    Look,
    /// The link must rest before that look, since content may come a moment later.
    Rest,
}

impl Doubt {
    /// Returns the doubt after an answer to `ask`. A link that was quiet after a 204 or 304 need not rest after each; the
    /// answer to HEAD depends on the resource, so a link rests after every one.
    pub(in crate::link) fn after(self, ask: AnswerKind, end: &AnswerEnd) -> Self {
        let AnswerKind::Http(ask) = ask else { return self };
        match (ask.method, end.status) {
            // Each resource may be the one whose content is sent all the same.
            (Method::Head, _) => Self::Rest,
            // The link has not been seen to stay quiet yet.
            (_, 204 | 304) if self == Self::None => Self::Rest,
            (_, 204 | 304) => Self::Look,
            _ if self == Self::None => Self::None,
            _ => Self::Quiet,
        }
    }

    /// Returns whether the link rests.
    pub(in crate::link) fn rests(self) -> bool {
        self == Self::Rest
    }

    /// Returns whether the link must be looked at.
    pub(in crate::link) fn looks(self) -> bool {
        matches!(self, Self::Look | Self::Rest)
    }

    /// Returns the doubt after a rest.
    pub(in crate::link) fn rested(self) -> Self {
        if self == Self::Rest { Self::Look } else { self }
    }
}

const SECOND: Nanos = 1_000_000_000;
/// The time, in nanoseconds, for which a member counts as one of HTTP/1.0 after its last answer in that version: 60 s. A longer
/// time delays the discovery of an upgraded server, a shorter one sends requests that need 1.1 to an old one more often.
const OLD_FOR: Nanos = 60 * SECOND;

impl MemberTraits {
    /// Returns the traits that an answer shows which ended at `now`.
    pub(in crate::link) fn of(end: &AnswerEnd, now: Nanos) -> Self {
        let old_until = if end.old { now.saturating_add(OLD_FOR) } else { 0 };
        Self { old_until, longest_idle: end.kept_for.map_or(Nanos::MAX, longest_idle) }
    }

    /// Returns whether the member is taken to speak HTTP/1.0.
    pub(in crate::link) fn is_old(&self, now: Nanos) -> bool {
        now < self.old_until
    }
}

/// Returns how long a link may be unused that the member keeps for so many seconds (`Keep-Alive: timeout=`): a second less, so
/// that no request meets the member's FIN, but half of the time at least.
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
