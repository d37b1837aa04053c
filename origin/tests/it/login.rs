//! NTLM ties a user to a connection, and to no other.

use crate::wire::{Answer, Wire, both_ways};

/// `NTLMSSP`, 1.
const FIRST: &str = "TlRMTVNTUAABAAAAAAAAAA==";
/// `NTLMSSP`, 3, and the name `alice` at byte 64.
const THIRD: &str =
    "TlRMTVNTUAADAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABQAFAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGFsaWNl";

fn say(wire: &mut Wire, target: &str, message: &str) -> Answer {
    wire.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: NTLM {message}\r\n\r\n")).answer()
}

#[test]
fn who_has_logged_in_is_told_so_on_this_connection_only() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let asked = wire.get("/ntlm");
        assert_eq!((asked.status, asked.field("www-authenticate")), (401, Some("NTLM")));
        let challenged = say(&mut wire, "/ntlm", FIRST);
        let challenge = challenged.field("www-authenticate").unwrap();
        assert!(challenged.status == 401 && challenge.starts_with("NTLM TlRMTVNTUAAC"), "{challenge}");
        let inside = say(&mut wire, "/ntlm", THIRD);
        assert_eq!((inside.status, inside.text()), (200, "alice\n"));
        for target in ["/hello", "/nowhere", "/fault/reset"] {
            let answer = wire.post(target, b"some content");
            assert_eq!((answer.status, answer.text()), (200, "alice\n"), "{target}");
        }
        assert_eq!(Wire::to(&origin).get("/ntlm").status, 401, "another connection is nobody's");
        assert_eq!(Wire::to(&origin).get("/hello").text(), "Hello, World!");
    }
}

#[test]
fn the_third_step_without_the_second_leads_nowhere() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        assert_eq!(say(&mut wire, "/ntlm", THIRD).field("www-authenticate"), Some("NTLM"));
        say(&mut wire, "/ntlm", FIRST);
        // Another request between the two changes nothing, as it has nothing to do with it.
        assert_eq!(wire.get("/hello").text(), "Hello, World!");
        assert_eq!(say(&mut wire, "/ntlm", THIRD).text(), "alice\n");
    }
}
