//! What keeps a link: what a client has said, as both ends understand it.

use super::frames::{Say, Tag};

/// What a conversation has come to.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Talk {
    /// Who keeps the link, and what was its last frame.
    pub(super) owner: Option<Tag>,
    pub(super) keeps: Keeps,
    /// A conversation ended with an error: nobody should come after it.
    spoilt: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) enum Keeps {
    #[default]
    Nothing,
    Watching,
    Multi,
    Forever,
}

impl Talk {
    /// Whose a frame is that came on the link. Nobody comes in between while one keeps it.
    pub(super) fn whose(&self, tag: Option<Tag>) -> Tag {
        assert!(!self.spoilt, "{tag:?} on a link on which something was left behind");
        let next = self.owner.map(|last| Tag { k: last.k + 1, ..last });
        if let (Some(next), Some(tag)) = (next, tag) {
            assert_eq!(tag, next, "in between");
        }
        next.or(tag).expect("a frame is of an exchange")
    }

    pub(super) fn remember(&mut self, say: Say, tag: Tag) {
        let talks = self.owner.is_some();
        self.keeps = match (say, self.keeps) {
            (_, Keeps::Forever) | (Say::Subscribe, _) => Keeps::Forever,
            (Say::Multi, _) => Keeps::Multi,
            (Say::Watch, Keeps::Nothing) => Keeps::Watching,
            (Say::Exec | Say::Discard, Keeps::Multi) | (Say::Unwatch, Keeps::Watching) => Keeps::Nothing,
            (_, before) => before,
        };
        self.owner = (self.keeps != Keeps::Nothing).then_some(tag);
        self.spoilt = talks && self.owner.is_none() && say.is_refused(tag);
    }
}
