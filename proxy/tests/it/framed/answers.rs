//! Each request is answered, byte for byte, however the bytes come, and whichever side ends first.

use crate::framed::given::{COUNTED, THREE, Tongue, all_errors, prefix};

fn tongues() -> Vec<Tongue> {
    let counted = [
        prefix(1, false, false, 0),
        prefix(1, false, true, 7),
        prefix(2, true, false, 3),
        prefix(4, true, true, 1),
        prefix(8, false, false, 0),
        prefix(8, true, true, 65),
    ];
    THREE.into_iter().chain(counted.map(Tongue::Counted)).collect()
}

#[test]
fn requests_are_answered_one_after_the_other() {
    for tongue in tongues() {
        let (origin, proxy) = tongue.setup().with(tongue.origin(1));
        let mut client = tongue.client(&proxy);
        for (asked, answer) in [
            ("add 2 3", "5"),
            ("div 1 0", "error: division by zero"),
            ("echo hello", "hello"),
            ("tag x sub 1 2", "x -1"),
        ] {
            assert_eq!(client.ask(asked), answer, "{tongue:?}");
        }
        assert_eq!(client.ask("size 200").len(), 200);
        assert_eq!(origin.stats().total().requests, 5);
        assert_eq!(all_errors(&proxy), 0);
    }
}

#[test]
fn any_cut_of_requests_has_the_same_answers() {
    let texts = ["add 2 3", "tag a echo b", "size 30", "fnv foobar", "echo last"];
    for tongue in tongues() {
        let (_origin, proxy) = tongue.setup().with(tongue.origin(1));
        let mut client = tongue.client(&proxy);
        let bytes = tongue.frames(&texts);
        for size in (1..=bytes.len()).step_by(5) {
            for piece in bytes.chunks(size) {
                client.wire.send(piece);
            }
            let answers: Vec<_> = texts.iter().map(|_| client.answer()).collect();
            assert_eq!(
                (&*answers[0], &*answers[1], answers[2].len()),
                ("5", "a b", 30),
                "in pieces of {size}"
            );
            assert_eq!((&*answers[3], &*answers[4]), ("85944171f73967e8", "last"));
        }
    }
}

#[test]
fn what_ends_a_line_is_as_it_was_configured() {
    let (_origin, proxy) = Tongue::Lf.setup().with(Tongue::Lf.origin(1));
    let mut client = Tongue::Lf.client(&proxy);
    assert_eq!(client.ask("echo a\rb\r"), "a\rb\r", "CR is content");
    let (_origin, proxy) = Tongue::Crlf.setup().with(Tongue::Crlf.origin(1));
    let mut client = Tongue::Crlf.client(&proxy);
    assert_eq!(client.ask("echo a\nb\rc\n"), "a\nb\rc\n", "LF and CR alone are content");
    assert_eq!(client.ask("echo \r"), "\r");
}

#[test]
fn large_frames_go_both_ways() {
    for tongue in THREE {
        let (_origin, proxy) = tongue.setup_with("max_length: 4MiB").with(tongue.origin(1));
        let mut client = tongue.client(&proxy);
        let text = "0123456789abcdef".repeat(60_000);
        client.say(&format!("echo {text}"));
        let bytes = tongue.frame(&text);
        assert!(client.wire.take(bytes.len()) == bytes, "{tongue:?}");
        assert_eq!(client.ask("echo and on"), "and on");
    }
}

#[test]
fn an_empty_frame_is_a_request() {
    for tongue in THREE {
        let (_origin, proxy) = tongue.setup().with(tongue.origin(1));
        let mut client = tongue.client(&proxy);
        client.say_all(&["", "echo a", ""]);
        assert_eq!(client.answer(), "error: an empty request");
        assert_eq!(client.answer(), "a");
        assert_eq!(client.answer(), "error: an empty request");
    }
}

/// `printf ... | nc -N`
#[test]
fn who_has_said_everything_is_answered_everything() {
    for tongue in THREE {
        let (_origin, proxy) = tongue.setup().with(tongue.origin(1));
        for round in 0..20 {
            let mut client = tongue.client(&proxy);
            client.say_all(&["echo a", "delay 5 echo b", "echo c"]);
            if round % 2 == 0 {
                client.wire.send(&tongue.frame("half of a request")[..6]);
            }
            client.wire.finish();
            assert_eq!([client.answer(), client.answer(), client.answer()], ["a", "b", "c"]);
            client.is_over();
        }
    }
}

#[test]
fn who_goes_away_harms_nobody() {
    let (_origin, proxy) =
        COUNTED.setup().backend("links: { pipeline: 1024, max_per_member: 1 }").with(COUNTED.origin(1));
    let mut stays = COUNTED.client(&proxy);
    for round in 0..40 {
        let mut goes = COUNTED.client(&proxy);
        goes.say_all(&["delay 3 echo x", "size 100000", "echo y"]);
        goes.wire.send(&COUNTED.frame("half")[..5]);
        if round % 2 == 0 {
            goes.wire.reset();
        } else {
            drop(goes);
        }
        assert_eq!(stays.ask(&format!("echo {round}")), round.to_string());
    }
    drop(stays);
    proxy.at_rest();
}
