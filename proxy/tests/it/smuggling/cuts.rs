//! The ways in which bytes are cut into pieces and sent.

use std::io::Write;
use std::net::TcpStream;

use crate::support::splitmix::Random;

/// More bytes than this are not sent one by one.
const FEW: usize = 1500;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Whole,
    Bytes,
    /// At random, with this seed.
    Random(u64),
}

impl Cut {
    /// Each way once.
    pub(crate) fn all(seed: u64) -> [Self; 3] {
        [Self::Whole, Self::Bytes, Self::Random(seed)]
    }

    /// Sends the pieces; whether the other side still listened at the end does not matter.
    pub(crate) fn send(self, stream: &mut TcpStream, bytes: &[u8]) {
        let mut random = Random::new(if let Self::Random(seed) = self { seed } else { 0 });
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = match self {
                Self::Whole => rest.len(),
                Self::Bytes if bytes.len() <= FEW => 1,
                Self::Bytes => 997,
                Self::Random(_) => 1 + random.below(bytes.len().min(4096)),
            };
            let (piece, after) = rest.split_at(most.min(rest.len()));
            if stream.write_all(piece).is_err() {
                return;
            }
            std::thread::yield_now();
            rest = after;
        }
    }
}
