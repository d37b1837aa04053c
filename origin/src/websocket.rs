//! Implements the WebSocket protocol (RFC 6455) as a state machine: data is sent back frame by frame, pings
//! are answered, a close is closed.
//!
//! Text is not checked to be UTF-8.

use crate::turn::Next;

/// The machine of one connection: `head of a frame -> its payload -> head of a frame -> ... -> close`.
///
/// A frame of data is sent back while it arrives, so that it may be of any length.
#[derive(Default)]
pub(crate) struct WebSocket {
    /// The payload of the frame that is arriving.
    payload: Option<Payload>,
    /// Whether a message has begun whose last frame has not.
    fragmented: bool,
}

struct Payload {
    left: u64,
    mask: Mask,
}

/// The head of a frame.
struct Head {
    fin: bool,
    opcode: u8,
    length: u64,
    mask: Mask,
    /// The length of the head in bytes.
    size: usize,
}

/// The masking key of RFC 6455 section 5.3, rotated so that the key of the next byte comes first.
struct Mask([u8; 4]);

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const FIN: u8 = 0x80;
/// The status code of RFC 6455 section 7.4.1.
const PROTOCOL_ERROR: u16 = 1002;

/// A violation of the protocol, which ends the connection with [`PROTOCOL_ERROR`].
struct Wrong;

impl WebSocket {
    /// Appends the reply to `out`. The caller puts the rest of the input before the next bytes.
    pub(crate) fn hear(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Next {
        loop {
            let step = match self.payload.take() {
                Some(payload) => Ok(self.echo(payload, input, out)),
                None => self.frame(input, out),
            };
            match step {
                Ok(None) => {}
                Ok(Some(next)) => return next,
                Err(Wrong) => {
                    put(out, FIN | CLOSE, &PROTOCOL_ERROR.to_be_bytes());
                    return Next::Close;
                }
            }
        }
    }

    /// Sends back more of a frame's payload.
    fn echo(&mut self, mut payload: Payload, input: &mut &[u8], out: &mut Vec<u8>) -> Option<Next> {
        let count = usize::try_from(payload.left).map_or(input.len(), |left| left.min(input.len()));
        let (piece, rest) = input.split_at(count);
        *input = rest;
        payload.mask.lift(piece, out);
        payload.left -= count as u64;
        if payload.left == 0 {
            return None;
        }
        self.payload = Some(payload);
        Some(Next::Read)
    }

    fn frame(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<Option<Next>, Wrong> {
        let Some(head) = Head::parse(input)? else { return Ok(Some(Next::Read)) };
        let behind = &input[head.size..];
        if head.opcode < CLOSE {
            *input = behind;
            return self.data(head, out).map(|()| None);
        }
        // A control frame has 125 bytes at most (section 5.5), so that waiting for all of it is safe.
        let Some((payload, rest)) = behind.split_at_checked(head.length as usize) else {
            return Ok(Some(Next::Read));
        };
        *input = rest;
        control(head, payload, out)
    }

    /// Checks the order of a message's frames, which follow each other (section 5.4).
    fn data(&mut self, head: Head, out: &mut Vec<u8>) -> Result<(), Wrong> {
        if self.fragmented != (head.opcode == CONTINUATION) {
            return Err(Wrong);
        }
        self.fragmented = !head.fin;
        put_head(out, if head.fin { FIN | head.opcode } else { head.opcode }, head.length);
        self.payload = Some(Payload { left: head.length, mask: head.mask });
        Ok(())
    }
}

impl Head {
    /// Parses a head; `None` means that more bytes are needed (section 5.2).
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Wrong> {
        let [first, second, ref rest @ ..] = *bytes else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, first & 0xf);
        let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        let masked = second & 0x80 != 0;
        if !known || !masked || first & 0x70 != 0 {
            return Err(Wrong);
        }
        let short = second & 0x7f;
        if opcode >= CLOSE && (short > 125 || !fin) {
            return Err(Wrong);
        }
        let Some((length, wide)) = length(short, rest)? else { return Ok(None) };
        let Some(mask) = rest.get(wide..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        Ok(Some(Self { fin, opcode, length, mask: Mask(*mask), size: 2 + wide + 4 }))
    }
}

/// Returns the length and the number of bytes it is written in, which must be the smallest possible.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Wrong> {
    let (length, wide, least) = match short {
        126 => (rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 2, 126),
        127 => (rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)), 8, 1 << 16),
        short => (Some(short.into()), 0, 0),
    };
    let Some(length) = length else { return Ok(None) };
    if length < least || length >> 63 != 0 {
        return Err(Wrong);
    }
    Ok(Some((length, wide)))
}

/// Answers a control frame (sections 5.5.1 to 5.5.3).
fn control(mut head: Head, payload: &[u8], out: &mut Vec<u8>) -> Result<Option<Next>, Wrong> {
    let mut plain = Vec::with_capacity(payload.len());
    head.mask.lift(payload, &mut plain);
    match head.opcode {
        PING => put(out, FIN | PONG, &plain),
        CLOSE => {
            put(out, FIN | CLOSE, status(&plain)?);
            return Ok(Some(Next::Close));
        }
        _ => {}
    }
    Ok(None)
}

/// Returns the status of a close, if it has one that may be sent (section 7.4).
fn status(payload: &[u8]) -> Result<&[u8], Wrong> {
    let Some(code) = payload.first_chunk() else {
        return if payload.is_empty() { Ok(payload) } else { Err(Wrong) };
    };
    match u16::from_be_bytes(*code) {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(code),
        _ => Err(Wrong),
    }
}

impl Mask {
    /// Appends the bytes without the mask.
    fn lift(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend(bytes.iter().zip(self.0.iter().cycle()).map(|(byte, key)| byte ^ key));
        self.0.rotate_left(bytes.len() % 4);
    }
}

/// Appends a complete frame. A server does not mask frames.
fn put(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    put_head(out, first, payload.len() as u64);
    out.extend_from_slice(payload);
}

fn put_head(out: &mut Vec<u8>, first: u8, length: u64) {
    out.push(first);
    match length {
        0..=125 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
