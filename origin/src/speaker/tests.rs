//! Tests the output of each protocol of bytes, with any cut and in simulated time.

use super::*;

/// Sends `text` in pieces of `step`, then shuts. Returns all output, and whether the machine was over before
/// that.
fn talk(speaks: Speaks, text: &[u8], step: usize) -> (String, bool) {
    let (mut all, mut out) = (Vec::new(), Vec::new());
    let mut speaker = Speaker::new(speaks, "m", &mut all).unwrap();
    for piece in text.chunks(step) {
        assert_eq!(speaker.attention(Instant::now), Ok(usize::MAX));
        all.extend_from_slice(speaker.hear(piece, &mut out, Instant::now));
    }
    let before = speaker.is_over();
    speaker.heard_all(&mut out);
    all.extend_from_slice(&out);
    assert!(speaker.is_over());
    (String::from_utf8(all).unwrap(), before)
}

#[test]
fn each_says_its_own_in_any_cut() {
    let text = b"HELO x\r\nNOOP\n\r\nQUIT\r\nNOOP\r\n";
    let banner = "220 m ready\r\n250 HELO x\r\n250 NOOP\r\n250 \r\n221 bye\r\n";
    for step in 1..=text.len() {
        assert_eq!(talk(Speaks::Banner, text, step), (banner.to_owned(), true), "step {step}");
        assert_eq!(talk(Speaks::Echo, text, step), (str::from_utf8(text).unwrap().to_owned(), false));
        assert_eq!(talk(Speaks::Discard, text, step), (String::new(), false));
        assert_eq!(talk(Speaks::Total, b"foobar", step), ("6 85944171f73967e8\n".to_owned(), false));
    }
    assert_eq!(talk(Speaks::Banner, b"quit\r\nQUIT", 99).0, "220 m ready\r\n250 quit\r\n");
    assert!(Speaker::new(Speaks::Http, "m", &mut Vec::new()).is_none());
}

#[test]
fn a_line_without_end_is_not_kept_for_ever() {
    let (said, over) = talk(Speaks::Banner, &vec![b'x'; LONGEST_LINE + 1], 4096);
    assert_eq!((said.as_str(), over), ("220 m ready\r\n500 line too long\r\n", true));
}

#[test]
fn what_is_generated_is_said_whole_whatever_is_heard() {
    let mut out = Vec::new();
    for bytes in [0, 1, 100_000] {
        let mut speaker = Speaker::new(Speaks::Generate { bytes }, "m", &mut out).unwrap();
        speaker.heard_all(&mut out);
        let mut said = Vec::new();
        while !speaker.is_over() {
            let piece = &speaker.supply()[..speaker.supply().len().min(777)];
            said.extend_from_slice(piece);
            speaker.supplied(piece.len());
        }
        assert!(said.into_iter().eq((0..bytes).map(crate::byte_at)), "{bytes} bytes");
        assert!(speaker.supply().is_empty() && out.is_empty());
    }
}

#[test]
fn a_slow_reader_hears_its_rate_and_no_more() {
    let rate = 64 * 1024;
    let mut speaker =
        Speaker::new(Speaks::SlowReader { bytes_per_second: rate }, "m", &mut Vec::new()).unwrap();
    let start = Instant::now();
    let (mut now, mut heard) = (start, 0);
    while now < start + Duration::from_secs(60) {
        match speaker.attention(|| now) {
            Ok(most) => {
                assert!(speaker.hear(&vec![0; most], &mut Vec::new(), || now).is_empty());
                heard += most as u64;
            }
            Err(next) => now = next,
        }
    }
    let allowed = rate * 60;
    assert!((allowed..=allowed + rate / 20).contains(&heard), "{heard} bytes in a minute");
}
