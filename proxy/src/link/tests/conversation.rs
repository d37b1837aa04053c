//! Tests of a client that keeps its link for several frames: each arrow of that part of the queue's figure.

use super::given::{TestSink, frames};
use crate::cause::Cause;
use crate::config::{FrameKind, Framing, HeadLimits};
use crate::event_loop::Nanos;
use crate::link::{AnswerKind, Fate, LinkEnd, Queue};

const FRAMES: AnswerKind = AnswerKind::Frames { patient: false };
const PATIENT: AnswerKind = AnswerKind::Frames { patient: true };
const DESYNC: Result<bool, LinkEnd> = Err(LinkEnd::Desync(Cause::BadResponse));

/// A link that speaks RESP and has answered once.
struct TestLink {
    queue: Queue<char>,
    told: TestSink,
    now: Nanos,
}

impl TestLink {
    fn reused() -> Self {
        let framing =
            Framing { kind: FrameKind::Resp, max_length: 1 << 20, repeatable: false, refusal: None };
        let queue = Queue::new(Some(&framing), HeadLimits::default());
        let mut link = Self { queue, told: TestSink::default(), now: 1 };
        link.ask('z', FRAMES, false, "PING\r\n").written();
        assert_eq!(link.read("+PONG\r\n"), Ok(true));
        link.told = TestSink::default();
        link
    }

    /// A link on which `a` has begun a conversation, and been answered.
    fn talking() -> Self {
        let mut link = Self::reused();
        link.ask('a', FRAMES, true, "MULTI\r\n").written();
        assert_eq!(link.read("+OK\r\n"), Ok(true));
        link
    }

    fn ask(&mut self, recipient: char, ask: AnswerKind, more: bool, frame: &str) -> &mut Self {
        let request = frames(ask, more);
        self.queue.submit(recipient, request, self.now, frame.as_bytes());
        self
    }

    fn say(&mut self, frame: &str, ask: AnswerKind, last: bool) -> &mut Self {
        self.queue.append_frame(frame.as_bytes(), ask, last);
        self
    }

    fn written(&mut self) -> &mut Self {
        let all = self.queue.unwritten().len();
        self.queue.wrote(all, self.now);
        self
    }

    fn read(&mut self, bytes: &str) -> Result<bool, LinkEnd> {
        self.queue.receive(bytes.as_bytes(), self.now, &mut Vec::new(), &mut self.told)
    }

    fn end(&mut self, why: LinkEnd) -> Vec<(Option<char>, Fate)> {
        self.queue.end(why).into_iter().map(|(slot, fate)| (slot.recipient, fate)).collect()
    }

    fn silent_since(&self) -> Option<Nanos> {
        self.queue.head().unwrap().silent_since(self.queue.head_since(), false)
    }

    fn statuses(&self) -> Vec<u16> {
        self.told.ends.iter().map(|end| end.1).collect()
    }
}

#[test]
fn a_frame_is_an_exchange() {
    let mut link = TestLink::reused();
    link.ask('a', FRAMES, false, "GET x\r\n").ask('b', FRAMES, false, "GET y\r\n").written();
    assert_eq!(link.read("$1\r\nx\r\n$-1\r\n"), Ok(true));
    assert_eq!((link.told.of('a').as_str(), link.told.of('b').as_str()), ("$1\r\nx\r\n", "$-1\r\n"));
    assert_eq!((link.queue.in_flight(), link.queue.answered()), (0, 3));
}

#[test]
fn an_answer_cut_anywhere_is_streamed() {
    let answer = "*2\r\n$5\r\nhello\r\n:17\r\n";
    for at in 1..answer.len() {
        let mut link = TestLink::reused();
        link.ask('a', FRAMES, false, "X\r\n").written();
        assert_eq!(link.read(&answer[..at]), Ok(true), "{at}");
        assert_eq!(link.told.ends.len(), 0, "{at}");
        assert_eq!(link.read(&answer[at..]), Ok(true), "{at}");
        assert_eq!((link.told.of('a').as_str(), link.statuses()), (answer, vec![200]), "{at}");
    }
}

#[test]
fn an_error_is_an_answer_and_leaves_the_link_in_order() {
    let mut link = TestLink::reused();
    link.ask('a', FRAMES, false, "NONSENSE\r\n").written();
    assert_eq!(link.read("-ERR unknown command\r\n"), Ok(true));
    assert_eq!(link.statuses(), [500]);
}

#[test]
fn a_conversation_is_one_exchange_of_several_frames() {
    let mut link = TestLink::talking();
    assert_eq!((link.queue.in_flight(), link.told.ends.len()), (1, 0), "there is more to be asked");
    link.say("SET x 1\r\n", FRAMES, false);
    assert_eq!(link.queue.unwritten(), b"SET x 1\r\n", "what was written is not kept");
    link.written();
    assert_eq!(link.read("+QUEUED\r\n"), Ok(true));
    assert_eq!((link.queue.in_flight(), link.told.ends.len()), (1, 0));
    link.say("EXEC\r\n", FRAMES, true).written();
    assert_eq!(
        (link.queue.in_flight(), link.told.ends.len()),
        (1, 0),
        "its last word is still to be answered"
    );
    assert_eq!(link.read("*1\r\n+OK\r\n"), Ok(true));
    assert_eq!(link.told.of('a'), "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    assert_eq!((link.queue.in_flight(), link.statuses()), (0, vec![200]));
}

// A client may send all of it before the first answer.
#[test]
fn a_conversation_in_one_breath_ends_with_its_last_answer() {
    let mut link = TestLink::reused();
    link.ask('a', FRAMES, true, "MULTI\r\n");
    link.say("SET x 1\r\n", FRAMES, false).say("EXEC\r\n", FRAMES, true);
    assert_eq!(link.queue.unwritten(), b"MULTI\r\nSET x 1\r\nEXEC\r\n");
    link.written();
    assert_eq!(link.read("+OK\r\n+QUEUED\r\n"), Ok(true));
    assert_eq!((link.queue.in_flight(), link.told.ends.len()), (1, 0));
    assert_eq!(link.read("*1\r\n+OK\r\n"), Ok(true));
    assert_eq!((link.queue.in_flight(), link.statuses()), (0, vec![200]));
    link.ask('b', FRAMES, false, "GET x\r\n").written();
    assert_eq!(link.read("$1\r\n1\r\n"), Ok(true), "the link is another's now");
    assert_eq!(link.told.of('b'), "$1\r\n1\r\n");
}

#[test]
fn an_error_amid_a_conversation_does_not_end_it() {
    let mut link = TestLink::talking();
    link.say("SET x\r\n", FRAMES, false).written();
    assert_eq!(link.read("-ERR wrong number of arguments\r\n"), Ok(true));
    assert_eq!((link.queue.in_flight(), link.told.ends.len()), (1, 0));
    link.say("DISCARD\r\n", FRAMES, true).written();
    assert_eq!(link.read("+OK\r\n"), Ok(true), "its last word was not refused");
}

// EXEC refused, say: nobody knows what the member has kept of it.
#[test]
fn an_error_at_the_end_of_a_conversation_ends_the_link() {
    let mut link = TestLink::talking();
    link.say("EXEC\r\n", FRAMES, true).written();
    assert_eq!(link.read("-EXECABORT Transaction discarded\r\n"), Ok(false));
    assert_eq!(link.statuses(), [500]);
    assert!(!link.told.ends[0].2, "its client goes on, on another");
    assert_eq!(link.end(LinkEnd::Finished), []);
}

// Regression: it was counted as an answer too many, and the count began anew from four milliards.
#[test]
fn an_answer_that_no_frame_asked_for_ends_the_link() {
    let mut link = TestLink::talking();
    assert_eq!(link.read("+AGAIN\r\n"), DESYNC);
    assert_eq!(link.told.of('a'), "+OK\r\n");
    assert_eq!(link.end(LinkEnd::Desync(Cause::BadResponse)), [(Some('a'), Fate::Cut(Cause::Truncated))]);
    let mut link = TestLink::talking();
    link.say("SET x 1\r\n", FRAMES, false).written();
    assert_eq!(link.read("+QUEUED\r\n+QUEUED\r\n"), DESYNC);
    assert_eq!(link.told.of('a'), "+OK\r\n+QUEUED\r\n");
}

#[test]
fn an_answer_that_is_no_frame_ends_the_link() {
    for bytes in ["?", "$x\r\n", "*1\r\n?\r\n"] {
        let mut link = TestLink::reused();
        link.ask('a', FRAMES, false, "GET x\r\n").written();
        assert_eq!(link.read(bytes), DESYNC, "{bytes:?}");
    }
}

#[test]
fn a_link_that_dies_takes_its_conversation_along() {
    let mut link = TestLink::talking();
    assert_eq!(
        link.end(LinkEnd::Closed),
        [(Some('a'), Fate::Cut(Cause::Truncated))],
        "it was answered in part"
    );
    let mut link = TestLink::reused();
    link.ask('a', FRAMES, true, "MULTI\r\n").written();
    assert_eq!(link.end(LinkEnd::Closed), [(Some('a'), Fate::Fail(Cause::StaleNonidempotent))]);
}

#[test]
fn a_client_that_leaves_amid_a_conversation_costs_the_link() {
    let mut link = TestLink::talking();
    assert!(!link.queue.abandon(|recipient| *recipient == 'a'), "what it began cannot be ended");
    let mut link = TestLink::talking();
    link.say("EXEC\r\n", FRAMES, true).written();
    assert!(link.queue.abandon(|recipient| *recipient == 'a'), "it was about to end");
    assert_eq!(link.read("*0\r\n"), Ok(true));
    assert_eq!(link.told.of('a'), "+OK\r\n");
}

// SUBSCRIBE, say: the member speaks when it likes.
#[test]
fn from_then_on_for_ever_whatever_comes_is_for_the_client() {
    let mut link = TestLink::reused();
    link.ask('a', AnswerKind::Forever, true, "SUBSCRIBE x\r\n").written();
    for bytes in ["*3\r\n", "no frame at all", "\r\n"] {
        assert_eq!(link.read(bytes), Ok(true));
    }
    assert_eq!(link.told.of('a'), "*3\r\nno frame at all\r\n");
    link.queue.send_data(b"whatever", None);
    assert_eq!(link.queue.unwritten(), b"whatever");
    link.written();
    assert_eq!((link.queue.in_flight(), link.told.ends.len()), (1, 0));
    assert!(!link.queue.abandon(|recipient| *recipient == 'a'), "and the link ends with it");
}

#[test]
fn a_conversation_may_go_on_for_ever() {
    let mut link = TestLink::talking();
    link.say("MONITOR\r\n", AnswerKind::Forever, false).written();
    assert_eq!(link.read("+OK\r\nany bytes"), Ok(true));
    assert_eq!(link.told.of('a'), "+OK\r\n+OK\r\nany bytes");
}

#[test]
fn what_goes_on_for_ever_ends_with_its_link() {
    let mut link = TestLink::reused();
    link.ask('a', AnswerKind::Forever, true, "MONITOR\r\n").written();
    assert_eq!(link.read("+OK\r\n"), Ok(true));
    link.queue.at_eof(9, &mut Vec::new(), &mut link.told);
    assert_eq!(link.told.ends, [(Some('a'), 200, true, 8)], "and its client with it");
    assert_eq!(link.end(LinkEnd::Closed), []);
    let mut link = TestLink::reused();
    link.ask('a', AnswerKind::Forever, true, "MONITOR\r\n").written();
    link.queue.at_eof(9, &mut Vec::new(), &mut link.told);
    assert_eq!(
        link.end(LinkEnd::Closed),
        [(Some('a'), Fate::Fail(Cause::StaleNonidempotent))],
        "nothing came"
    );
}

#[test]
fn no_frame_ends_with_its_link() {
    let mut link = TestLink::reused();
    link.ask('a', FRAMES, false, "GET x\r\n").written();
    assert_eq!(link.read("$5\r\nhel"), Ok(true));
    link.queue.at_eof(9, &mut Vec::new(), &mut link.told);
    assert_eq!(link.told.ends, []);
    assert_eq!(link.end(LinkEnd::Closed), [(Some('a'), Fate::Cut(Cause::Truncated))]);
}

#[test]
fn a_member_is_silent_while_it_owes_an_answer() {
    let mut link = TestLink::reused();
    link.now = 5;
    link.ask('a', FRAMES, false, "GET x\r\n").written();
    assert_eq!(link.silent_since(), Some(5));
    link.now = 8;
    assert_eq!(link.read("$5\r\nhel"), Ok(true));
    assert_eq!(link.silent_since(), Some(8), "an answer that keeps coming is not late");
}

#[test]
fn amid_a_conversation_a_member_is_silent_only_while_it_owes_an_answer() {
    let mut link = TestLink::talking();
    assert_eq!(link.silent_since(), None, "the client is to speak");
    link.now = 20;
    link.say("SET x 1\r\n", FRAMES, false).written();
    assert_eq!(link.silent_since(), Some(20));
    link.now = 30;
    assert_eq!(link.read("+QUEUED\r\n"), Ok(true));
    assert_eq!(link.silent_since(), None);
    link.now = 40;
    link.say("EXEC\r\n", FRAMES, true).written();
    assert_eq!(link.silent_since(), Some(40));
}

// A blocking command takes as long as it likes.
#[test]
fn a_member_that_may_take_its_time_is_never_silent() {
    let mut link = TestLink::reused();
    link.ask('a', PATIENT, false, "BLPOP q 0\r\n").written();
    assert_eq!(link.silent_since(), None);
    let mut link = TestLink::reused();
    link.ask('a', AnswerKind::Forever, true, "SUBSCRIBE x\r\n").written();
    assert_eq!(link.silent_since(), None);
}

// Regression: what was asked last decided, and the member was late that still waited, as it was told to.
#[test]
fn nor_is_it_while_a_quick_frame_waits_behind_one_that_takes_its_time() {
    let mut link = TestLink::talking();
    link.say("BLPOP q 0\r\n", PATIENT, false).say("GET x\r\n", FRAMES, false).written();
    assert_eq!(link.silent_since(), None);
    assert_eq!(link.read("*-1\r\n$-1\r\n"), Ok(true));
    link.now = 50;
    link.say("GET x\r\n", FRAMES, false).written();
    assert_eq!(link.silent_since(), Some(50), "all that was to take its time is answered");
}

// What its client says next goes to this link.
#[test]
fn a_conversation_is_not_taken_off_its_link() {
    let mut link = TestLink::reused();
    link.ask('h', FRAMES, false, "GET x\r\n").ask('a', FRAMES, true, "MULTI\r\n").written();
    assert!(link.queue.rescue(9, |_, _| false).is_empty());
    link.say("EXEC\r\n", FRAMES, true).written();
    assert!(link.queue.rescue(9, |_, _| false).is_empty());
}

#[test]
fn frames_that_change_nothing_are_taken_off_a_slow_link() {
    let mut link = TestLink::reused();
    let mut get = frames(FRAMES, false);
    get.repeatable = true;
    link.ask('h', FRAMES, false, "GET x\r\n");
    link.queue.submit('a', get, 1, b"GET y\r\n".as_slice());
    link.ask('b', FRAMES, false, "INCR z\r\n").written();
    let taken: Vec<_> = link.queue.rescue(9, |_, _| false).into_iter().map(|t| (t.0, t.2, t.3)).collect();
    assert_eq!(taken, [('a', b"GET y\r\n".to_vec(), true)]);
    assert_eq!(link.read("$-1\r\n$-1\r\n"), Ok(true));
    assert_eq!(link.read(":1\r\n"), Ok(false));
    assert_eq!((link.told.of('a').as_str(), link.told.of('b').as_str()), ("", ":1\r\n"));
}
