//! One link's queue: whatever is done to it, each exchange ends once, in order, and gets only its own answer.

use penstock::config::{Framing, HeadLimits};
use penstock::link::{AnswerKind, Exchange, LinkEnd, Queue, Sharing, SourceKey, Upload};
use penstock::proto::framing::Dialect;
use penstock::proto::http::{self, Method, ResponseFormat};
use penstock::proto::http1::BodyEncoder;

use super::super::input::Input;
use super::place::{Place, Ticket, client};
use super::told::Told;

/// A link and the member at its other end.
struct World {
    queue: Queue<Ticket>,
    http: bool,
    told: Told,
    /// What the member has sent and nobody has read yet.
    wire: Vec<u8>,
    /// The member has said its last.
    mute: bool,
    asked: Ticket,
    now: u64,
    out: Vec<u8>,
}

/// Why the link has ended, if it has.
type Over = Option<LinkEnd>;

/// Does all that the input says, then ends the link.
pub(super) fn run(framing: Option<Framing>, input: &mut Input<'_>) {
    let queue = Queue::new(framing.as_ref(), HeadLimits::default());
    let told = Told { clean: true, ..Told::default() };
    let (http, wire, out) = (framing.is_none(), Vec::new(), Vec::new());
    let mut world = World { queue, http, told, wire, mute: false, asked: 0, now: 1, out };
    let mut over = None;
    while over.is_none() && !input.is_empty() {
        over = world.act(input);
        world.check(over);
    }
    world.end(over.unwrap_or(LinkEnd::Closed));
}

impl World {
    fn act(&mut self, input: &mut Input<'_>) -> Over {
        self.now += 1;
        match input.below(16) {
            0 | 1 => self.submit(input),
            2 | 3 => self.write(input.below(256)),
            4 => self.write(usize::MAX),
            5 => self.go_on(input),
            6 | 7 => self.answer(input.below(8)),
            8 | 9 => return self.receive(input.below(256)),
            10 => return self.receive(usize::MAX),
            11 => {
                let n = input.below(64);
                self.wire.extend_from_slice(input.take(n));
                self.told.clean = false;
            }
            12 => return self.abandon(input.below(4) as u32),
            13 => self.rescue(input.below(8)),
            14 => self.now += 1 << input.below(40),
            _ => return self.odd(input.below(8)),
        }
        None
    }

    fn odd(&mut self, what: usize) -> Over {
        match what {
            0..3 => {
                self.queue.at_eof(self.now, &mut self.out, &mut self.told);
                Some(LinkEnd::Closed)
            }
            3 => Some(LinkEnd::Timeout),
            4 => Some(LinkEnd::Abandoned),
            _ => {
                self.told.closes = !self.told.closes;
                None
            }
        }
    }

    /// The pool puts behind others only what may share a link, and only where all others may.
    fn submit(&mut self, input: &mut Input<'_>) {
        let request = if self.http { self.http_request(input) } else { self.frame(input) };
        let places = &self.told.places;
        let shared = request.sharing == Sharing::Shared && self.queue.answered() > 0;
        let fits = places.is_empty() || (shared && places.iter().all(Place::is_shared));
        if !fits || self.queue.is_leaving() || places.len() > 20 {
            return;
        }
        self.asked += 1;
        let bytes = format!("request {};", self.asked).into_bytes();
        self.queue.submit(self.asked, request, self.now, &*bytes);
        self.told.places.push_back(Place::new(self.asked, request, self.told.format, bytes));
    }

    fn http_request(&mut self, input: &mut Input<'_>) -> Exchange {
        use Method::{Connect, Delete, Get, Head, Post};
        let method = input.pick([Get, Get, Get, Head, Post, Delete, Connect, Get]);
        let bits = input.below(64);
        let [upgrade, old, last, body, replayed] = [1, 2, 4, 8, 16].map(|bit| bits & bit != 0);
        let upgrade = (upgrade && bits > 32 && !old && method == Get) || method == Connect;
        let body = body && method == Post;
        self.told.format =
            ResponseFormat { minor_version: u8::from(!old), keep_alive: !last, ..ResponseFormat::default() };
        let ask = http::Ask { method, upgrade, chunked: body };
        let shared = method.is_safe_to_share() && !upgrade;
        let upload = if body { Upload::Content(BodyEncoder::Raw) } else { Upload::Whole };
        self.request(AnswerKind::Http(ask), upload, shared, method.is_idempotent() && !upgrade, replayed)
    }

    fn frame(&self, input: &mut Input<'_>) -> Exchange {
        let bits = input.below(16);
        let [talks, patient, repeatable, replayed] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
        self.request(
            AnswerKind::Frames { patient },
            if talks { Upload::Conversation } else { Upload::Whole },
            !talks && !patient,
            repeatable && !talks,
            replayed,
        )
    }

    fn request(
        &self,
        kind: AnswerKind,
        upload: Upload,
        shared: bool,
        repeatable: bool,
        replayed: bool,
    ) -> Exchange {
        let sharing = if shared { Sharing::Shared } else { Sharing::Alone };
        Exchange {
            kind,
            upload,
            sharing,
            repeatable,
            class: 0,
            began: self.now,
            replayed,
            open_ended: false,
            source: SourceKey::default(),
            expects: false,
            dialect: Dialect::default(),
            greets: false,
        }
    }

    /// Some of what waits is written; it is what was submitted, in that order.
    fn write(&mut self, most: usize) {
        let waits: Vec<u8> = self.told.places.iter().flat_map(|place| place.unwritten().to_vec()).collect();
        assert_eq!(self.queue.unwritten().escape_ascii().to_string(), waits.escape_ascii().to_string());
        let n = waits.len().min(most);
        if n == 0 {
            return;
        }
        self.queue.wrote(n, self.now);
        let mut left = n;
        for place in &mut self.told.places {
            let more = left.min(place.unwritten().len());
            place.written += more;
            left -= more;
        }
    }

    /// More of the last request: of its body, or one more frame.
    fn go_on(&mut self, input: &mut Input<'_>) {
        let (complete, past) = (input.flag(), input.flag());
        let Some(place) = self.told.places.back_mut().filter(|place| place.request.upload.is_open()) else {
            return;
        };
        place.grows = true;
        if complete {
            place.request.upload = Upload::Whole;
        }
        if self.http && past && self.queue.unwritten().is_empty() {
            place.bypassed = true;
            return self.queue.body_bypassed(complete, self.now);
        }
        place.bytes.extend_from_slice(b"more;");
        if self.http {
            self.queue.send_data(b"more;", complete.then_some(b""));
        } else {
            place.owed += 1;
            self.queue.append_frame(b"more;", place.request.kind, complete);
        }
    }

    /// The member answers the first that it has not answered yet.
    fn answer(&mut self, kind: usize) {
        let Some(first) = self.told.places.iter_mut().find(|place| place.answered < place.owed) else {
            return;
        };
        let Some(answer) = first.answer(kind).filter(|_| !self.mute) else { return };
        self.mute = first.is_last(kind);
        // A link becomes a tunnel when all that was asked has been sent, and nothing else.
        let tunnel = matches!(first.request.kind, AnswerKind::Http(ask) if ask.upgrade);
        self.told.clean &= !tunnel || first.unwritten().is_empty();
        self.wire.extend_from_slice(&answer);
    }

    fn receive(&mut self, most: usize) -> Over {
        let n = self.wire.len().min(most);
        if n == 0 {
            return None;
        }
        let bytes: Vec<u8> = self.wire.drain(..n).collect();
        let answered = self.queue.answered();
        let read = self.queue.receive(&bytes, self.now, &mut self.out, &mut self.told);
        if let Some(head) = self.told.places.front_mut().filter(|_| self.queue.answered() == answered) {
            head.begun = true;
        }
        match read {
            Ok(true) => None,
            Ok(false) => Some(LinkEnd::Finished),
            Err(why) => Some(why),
        }
    }

    /// A client goes away: where its request is not complete the link must end.
    fn abandon(&mut self, who: u32) -> Over {
        let whole = self.queue.abandon(|recipient| client(*recipient) == who);
        let mut gone = 0;
        for place in
            self.told.places.iter_mut().filter(|place| place.recipient.is_some_and(|t| client(t) == who))
        {
            place.recipient = None;
            gone += 1;
            assert!(!(whole && place.request.upload.is_open()), "{} cannot be completed", place.number);
        }
        assert!(whole || gone > 0, "a link ends for nobody");
        (!whole).then_some(LinkEnd::Abandoned)
    }

    fn rescue(&mut self, most: usize) {
        let was_leaving = self.queue.is_leaving();
        let taken = self.queue.rescue(most, |a, b| client(*a) == client(*b));
        assert!(taken.len() <= most, "more than asked for");
        assert!(taken.is_sorted_by_key(|(recipient, ..)| *recipient), "out of order");
        assert_eq!(self.queue.is_leaving(), was_leaving || !taken.is_empty());
        for (recipient, _, bytes, sent) in &taken {
            let at = self
                .told
                .places
                .iter()
                .position(|place| place.recipient == Some(*recipient))
                .expect("in flight");
            assert!(at > 0, "the head was taken off");
            self.told.places[at].check_rescue(bytes, *sent);
            if *sent {
                self.told.places[at].recipient = None;
            } else {
                _ = self.told.places.remove(at);
            }
        }
        let stays = |of: u32, after: Ticket| {
            let tickets = self.told.places.iter().filter_map(|place| place.recipient);
            tickets
                .filter(|t| client(*t) == of)
                .any(|t| t > after || Some(t) == self.told.places[0].recipient)
        };
        for (recipient, ..) in &taken {
            assert!(!stays(client(*recipient), *recipient), "{recipient} was answered out of order");
        }
    }

    /// What holds at any time.
    fn check(&self, over: Over) {
        assert_eq!(self.queue.in_flight(), self.told.places.len(), "in flight");
        assert!(self.out.is_empty() || over.is_some(), "bytes for one are left for the next");
        let head = self.queue.head();
        assert_eq!(
            head.and_then(|slot| slot.recipient),
            self.told.places.front().and_then(|place| place.recipient)
        );
        let silent = head.and_then(|slot| slot.silent_since(self.queue.head_since(), false));
        assert!(silent.is_none_or(|since| since <= self.now), "silent since what is to come");
        assert_eq!(over == Some(LinkEnd::Switched), self.told.switched, "who has the link");
        let garbled = matches!(over, Some(LinkEnd::Desync(_)));
        assert!(!(self.told.clean && garbled), "{over:?} of a member that behaves");
    }

    /// Each that was in flight meets its fate, in order.
    fn end(mut self, why: LinkEnd) {
        let reused = self.queue.answered() > 0;
        let fates = self.queue.end(why);
        assert_eq!(fates.len(), self.told.places.len(), "a fate for each");
        for (i, ((slot, fate), place)) in fates.iter().zip(&self.told.places).enumerate() {
            let strange = i == 0 && matches!(why, LinkEnd::Desync(_));
            place.check_fate(slot, fate, reused, strange);
        }
        assert_eq!(self.queue.in_flight(), 0);
        assert!(self.queue.unwritten().is_empty(), "an ended link has something to write");
    }
}
