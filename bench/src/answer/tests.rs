//! Tests the reader on raw bytes: complete, with any cut, and wrong.

use super::*;

/// Returns each answer as "STATUS MEMBER BODY", after feeding the bytes cut in two at `cut`.
fn read(wire: &[u8], cut: usize) -> Result<Vec<String>, &'static str> {
    let (mut reader, mut held, mut answers) = (Reader::new(), Vec::new(), Vec::new());
    let mut now = String::new();
    for part in [&wire[..cut], &wire[cut..]] {
        held.extend_from_slice(part);
        let mut input = &held[..];
        while !(input.is_empty() && matches!(reader.state, State::Head)) {
            match reader.next(&mut input)? {
                None => break,
                Some(Piece::Head(head)) => now = format!("{} {} ", head.status, head.member.unwrap_or("-")),
                Some(Piece::Body(body)) => now.push_str(&String::from_utf8_lossy(body)),
                Some(Piece::Whole(_)) => return Err("HTTP comes in pieces"),
                Some(Piece::End) => answers.push(std::mem::take(&mut now)),
            }
        }
        held = input.to_vec();
    }
    if reader.ends_by_close() {
        answers.push(now);
    }
    Ok(answers)
}

#[test]
fn every_framing_reads_the_same_at_any_cut() {
    let wire = b"HTTP/1.1 200 OK\r\nX-Member: a\r\nContent-Length: 3\r\n\r\nabc\
        HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 204 No Content\r\nX-Member: b\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n\
        HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n\
        HTTP/1.0 200 OK\r\n\r\nrest";
    for cut in 0..=wire.len() {
        let answers = read(wire, cut).unwrap();
        assert_eq!(answers, ["200 a abc", "204 b ", "200 - def", "404 - ", "200 - rest"], "cut at {cut}");
    }
}

#[test]
fn the_end_of_the_connection_is_announced() {
    let closes = |wire: &str| {
        let mut reader = Reader::new();
        let piece = reader.next(&mut wire.as_bytes()).unwrap();
        assert!(piece.is_some(), "{wire}");
        reader.closes()
    };
    assert!(!closes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(closes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n"));
    assert!(closes("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert!(!closes("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
    assert!(closes("HTTP/1.1 200 OK\r\n\r\n"));
}

#[test]
fn a_loose_or_ambiguous_head_is_refused() {
    for fields in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: +1",
        "Content-Length: 1, 1",
        "Content-Length:",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Bad Name: 1",
    ] {
        let wire = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nx");
        assert!(read(wire.as_bytes(), 0).is_err(), "{fields}");
    }
    for wire in [
        "SSH-2.0\r\n\r\n",
        "HTTP/1.1 101 Go\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(read(wire.as_bytes(), 0).is_err(), "{wire}");
    }
}
