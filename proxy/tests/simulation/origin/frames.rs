//! A member that speaks in frames, and knows who keeps the link.

use penstock::config::Framing;

use super::{Around, Fault, Origin, PATIENCE, State};
use crate::frames::{self, Say, Tag};

/// What a link remembers from one frame to the next.
#[derive(Default)]
pub(super) struct Talk {
    /// Who keeps the link, and what was its last frame.
    owner: Option<Tag>,
    keeps: Keeps,
    /// A conversation ended with an error: nobody should come after it.
    spoilt: bool,
    pushes: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Keeps {
    #[default]
    Nothing,
    Watching,
    Multi,
    Forever,
}

impl Origin {
    pub(super) fn hear(&mut self, framing: &Framing, around: &mut Around<'_>) {
        while self.state == State::Open
            && let Some((len, say, tag)) = frames::hear(framing, &self.input)
        {
            self.input.drain(..len);
            let tag = self.talk.whose(tag, around.last);
            around.ledger.heard(tag);
            self.talk.remember(say, tag);
            self.reply(framing, say, tag, around);
        }
    }

    fn reply(&mut self, framing: &Framing, say: Say, tag: Tag, around: &mut Around<'_>) {
        let fault = around.fault();
        let mut delay = around.delay(say == Say::Keys, fault);
        if say == Say::Block {
            delay += around.rng.range(0, 2 * PATIENCE); // it may take as long as it likes
            around.ledger.count("blocked");
        }
        let mut bytes = Vec::new();
        if matches!(fault, Some(Fault::GarbageBefore | Fault::GarbageBehind)) {
            frames::garbage(framing, around.rng, &mut bytes);
            around.ledger.of_mut(tag.id).garbled = true;
        }
        frames::answer(framing, say, tag, &mut bytes);
        self.note(tag, &bytes, around);
        if matches!(fault, Some(Fault::Closing | Fault::UntilClose | Fault::Http10)) {
            self.state = State::Closing;
        }
        self.send(bytes, delay, fault, around);
        if self.talk.keeps == Keeps::Forever && fault.is_none() {
            self.push(tag, around);
        }
    }

    /// Says something of its own accord, now and then.
    fn push(&mut self, tag: Tag, around: &mut Around<'_>) {
        for _ in 0..around.rng.below(5) {
            let mut bytes = Vec::new();
            frames::push(tag, self.talk.pushes, &mut bytes);
            self.talk.pushes += 1;
            self.note(tag, &bytes, around);
            around.ledger.count("pushed");
            let delay = around.rng.range(0, PATIENCE);
            self.send(bytes, delay, None, around);
        }
    }

    /// What goes to one who has the link for good is not told apart any more.
    fn note(&self, tag: Tag, bytes: &[u8], around: &mut Around<'_>) {
        if self.talk.keeps == Keeps::Forever {
            around.ledger.of_mut(tag.id).stream.extend_from_slice(bytes);
        }
    }
}

impl Talk {
    /// Nobody comes in between while one keeps the link. Who begins to keep it need not say who it is.
    fn whose(&self, tag: Option<Tag>, last: Option<u64>) -> Tag {
        assert!(!self.spoilt, "{tag:?} on a link on which something was left behind");
        let next = self.owner.map(|last| Tag { k: last.k + 1, ..last });
        if let (Some(next), Some(tag)) = (next, tag) {
            assert_eq!(tag, next, "in between");
        }
        let alone = last.map(|id| Tag { id, k: 0 });
        next.or(tag).or(alone).expect("a frame is of an exchange")
    }

    fn remember(&mut self, say: Say, tag: Tag) {
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
