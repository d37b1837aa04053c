//! Remembers what one client has stored in Redis, and so what must come back.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;

use crate::check::{Expect, Verdict};
use crate::plan::Command;
use crate::request::Id;
use crate::rng::Rng;

/// The keys of a client. Each life has fresh keys, and a life ends when it is unknown whether a command was
/// carried out: a lost command may still be carried out later, but on keys that nobody reads any more. Thus
/// every verdict "wrong" is certain.
#[derive(Debug)]
pub(crate) struct Keys {
    client: u64,
    life: Rc<Life>,
    values: [Option<Rc<[u8]>>; VALUES],
    counts: bool,
}

/// The number of keys with values that a client has in one life.
const VALUES: usize = 4;

#[derive(Debug)]
pub(crate) struct Life {
    number: u64,
    /// Whether it is unknown whether a command was carried out.
    doubtful: Cell<bool>,
    /// The last answer to `INCR`.
    count: Cell<u64>,
    may_forget: bool,
}

/// The expected reply.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    Ok,
    Value(Rc<[u8]>),
    /// The previous count plus one.
    Next,
}

impl Keys {
    pub(crate) fn new(client: u64, may_forget: bool) -> Self {
        Self { client, life: Life::new(0, may_forget), values: [const { None }; VALUES], counts: false }
    }

    /// Records that the stored values are unknown from here on.
    pub(crate) fn doubt(&self) {
        self.life.doubtful.set(true);
    }

    /// Appends the command of exchange `id` to `out`.
    pub(crate) fn write(
        &mut self,
        (command, sizes): (Command, &[usize]),
        id: Id,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> Expect {
        if self.life.doubtful.get() {
            self.begin_anew();
        }
        let slot = rng.below(VALUES as u64) as usize;
        let want = match (command, &self.values[slot]) {
            (Command::Incr, _) => self.count(out),
            (Command::Get, Some(value)) => {
                let value = Rc::clone(value);
                put(&[b"GET", self.key(slot).as_bytes()], out);
                Want::Value(value)
            }
            (Command::Set | Command::Get, _) => {
                let value = value(id, rng, sizes);
                put(&[b"SET", self.key(slot).as_bytes(), &value], out);
                self.values[slot] = Some(value);
                Want::Ok
            }
        };
        Expect::Stored(id, Rc::clone(&self.life), want)
    }

    fn count(&mut self, out: &mut Vec<u8>) -> Want {
        let key = format!("count:{}:{}", self.client, self.life.number);
        if self.counts {
            put(&[b"INCR", key.as_bytes()], out);
            return Want::Next;
        }
        self.counts = true;
        put(&[b"SET", key.as_bytes(), b"0"], out);
        Want::Ok
    }

    fn key(&self, slot: usize) -> String {
        format!("tag:{}:{}:{slot}", self.client, self.life.number)
    }

    fn begin_anew(&mut self) {
        self.life = Life::new(self.life.number + 1, self.life.may_forget);
        self.values = [const { None }; VALUES];
        self.counts = false;
    }
}

/// Returns `CLIENT-SEQ:` followed by random bytes, CR and LF among them.
fn value(id: Id, rng: &mut Rng, sizes: &[usize]) -> Rc<[u8]> {
    let size = rng.pick(sizes);
    let mut value = format!("{id}:").into_bytes();
    rng.fill(&mut value, size);
    value.into()
}

fn put(words: &[&[u8]], out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

impl Life {
    fn new(number: u64, may_forget: bool) -> Rc<Self> {
        Rc::new(Self { number, doubtful: Cell::new(false), count: Cell::new(0), may_forget })
    }

    /// Records that a command was refused, which may have been carried out nevertheless.
    pub(crate) fn refused(&self, want: &Want) {
        if !matches!(want, Want::Value(_)) {
            self.doubtful.set(true);
        }
    }

    /// Checks a reply, which ends with the byte of its kind.
    pub(crate) fn judge(&self, id: Id, want: &Want, reply: &[u8]) -> Verdict {
        let wrong = |expected: String| {
            let got = String::from_utf8_lossy(&reply[..reply.len().min(60)]);
            Verdict::Wrong(format!("exchange {id} got {got:?}, {expected} expected"))
        };
        let nil = reply == b"_" && (self.may_forget || self.doubtful.get());
        match (want, reply.split_last()) {
            (Want::Ok, _) if reply == b"OK+" => Verdict::Right,
            (Want::Ok, _) => wrong("OK".to_owned()),
            (Want::Value(_), _) if nil => Verdict::Right,
            (Want::Value(value), Some((b'$', text))) => self.judge_value(id, value, text),
            (Want::Value(_), _) => wrong("a value".to_owned()),
            (Want::Next, Some((b':', text))) => {
                self.judge_count(text).map_or_else(wrong, |()| Verdict::Right)
            }
            (Want::Next, _) => wrong("a count".to_owned()),
        }
    }

    fn judge_value(&self, id: Id, value: &[u8], text: &[u8]) -> Verdict {
        let tag = String::from_utf8_lossy(text.split(|byte| *byte == b':').next().unwrap_or_default());
        let own = tag.split_once('-').is_some_and(|(client, _)| client == id.client.to_string());
        if text == value || own && self.doubtful.get() {
            return Verdict::Right;
        }
        let what = format!("{} bytes that begin {:?}", text.len(), tag.chars().take(40).collect::<String>());
        match own {
            true => Verdict::Wrong(format!("exchange {id} got {what}: another value than was set last")),
            false => Verdict::MixUp(format!("exchange {id} got {what}")),
        }
    }

    fn judge_count(&self, text: &[u8]) -> Result<(), String> {
        let before = self.count.get();
        let count = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        let count = count.ok_or_else(|| "a count".to_owned())?;
        // The count is recorded even if it is wrong, so that one wrong count is one wrong answer.
        self.count.set(count);
        let next = count == before + 1 || self.doubtful.get() || self.may_forget && count == 1;
        if next { Ok(()) } else { Err(format!("{}", before + 1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id { client: 7, seq: 3 };

    /// Returns the keys of a client, all of which are in use, and the expectation of one more command.
    fn ready(command: Command, may_forget: bool) -> (Keys, Rc<Life>, Want) {
        let (mut keys, mut rng) = (Keys::new(7, may_forget), Rng::new(1, 1));
        let mut ask = |command| keys.write((command, &[0]), ID, &mut rng, &mut Vec::new());
        for command in [Command::Set, Command::Incr].repeat(50) {
            ask(command);
        }
        let Expect::Stored(_, life, want) = ask(command) else { panic!("keys make other expectations") };
        (keys, life, want)
    }

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Right => "right",
            Verdict::Wrong(_) => "wrong",
            Verdict::MixUp(_) => "mix-up",
        }
    }

    #[test]
    fn commands_are_what_they_should_be_on_the_wire() {
        let (mut keys, mut rng, mut out) = (Keys::new(7, false), Rng::new(1, 1), Vec::new());
        for _ in 0..2 {
            keys.write((Command::Incr, &[]), ID, &mut rng, &mut out);
        }
        let wire = "*3\r\n$3\r\nSET\r\n$9\r\ncount:7:0\r\n$1\r\n0\r\n*2\r\n$4\r\nINCR\r\n$9\r\ncount:7:0\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), wire);
    }

    #[test]
    fn replies_are_held_against_what_was_stored() {
        for (command, forgets, reply, expected) in [
            (Command::Set, false, &b"OK+"[..], "right"),
            (Command::Set, false, b"OK$", "wrong"),
            (Command::Get, false, b"7-3:$", "right"),
            (Command::Get, false, b"7-2:$", "wrong"),
            (Command::Get, false, b"8-3:$", "mix-up"),
            (Command::Get, false, b"_", "wrong"),
            (Command::Get, true, b"_", "right"),
            (Command::Get, false, b"7-3:+", "wrong"),
            (Command::Incr, false, b"1:", "right"),
            (Command::Incr, false, b"2:", "wrong"),
            (Command::Incr, false, b"x:", "wrong"),
            (Command::Incr, false, b"1$", "wrong"),
        ] {
            let (_, life, want) = ready(command, forgets);
            assert_eq!(name(&life.judge(ID, &want, reply)), expected, "{command:?} {reply:?}");
        }
    }

    #[test]
    fn a_count_goes_up_by_one_and_a_wrong_one_is_wrong_once() {
        let (_, life, want) = ready(Command::Incr, false);
        let verdicts =
            ["1:", "2:", "5:", "6:", "1:"].map(|reply| name(&life.judge(ID, &want, reply.as_bytes())));
        assert_eq!(verdicts, ["right", "right", "wrong", "right", "wrong"]);
        let (_, life, want) = ready(Command::Incr, true);
        let verdicts = ["1:", "2:", "1:", "3:"].map(|reply| name(&life.judge(ID, &want, reply.as_bytes())));
        assert_eq!(
            verdicts,
            ["right", "right", "right", "wrong"],
            "a server that may forget begins at 1 again"
        );
    }

    #[test]
    fn a_doubtful_life_is_judged_mildly_and_the_next_has_other_keys() {
        let (mut keys, life, want) = ready(Command::Get, false);
        life.refused(&want);
        assert!(!life.doubtful.get(), "a GET that is refused changes nothing");
        life.refused(&Want::Ok);
        assert_eq!(name(&life.judge(ID, &want, b"7-1:$")), "right");
        assert_eq!(name(&life.judge(ID, &want, b"_")), "right");
        assert_eq!(name(&life.judge(ID, &want, b"8-1:$")), "mix-up");
        let mut out = Vec::new();
        let Expect::Stored(_, next, want) =
            keys.write((Command::Get, &[0]), ID, &mut Rng::new(1, 1), &mut out)
        else {
            panic!("keys make other expectations")
        };
        assert!(matches!(want, Want::Ok) && !next.doubtful.get(), "a key's first command is a SET");
        assert!(String::from_utf8_lossy(&out).contains("tag:7:1:"), "{out:?}");
    }
}
