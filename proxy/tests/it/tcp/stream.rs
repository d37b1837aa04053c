//! Streams of random bytes that are written and checked without being kept: both ends make them from the seed.

use std::io::{Read, Write};
use std::time::Duration;

pub(crate) use crate::support::splitmix::Random;

impl Random {
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A number up to `1 << bits`, each order of magnitude as likely as the others.
    fn size(&mut self, bits: usize) -> usize {
        let most = 1 << self.below(bits + 1);
        1 + self.below(most)
    }

    /// Stops for up to two milliseconds, now and then.
    fn pause(&mut self, one_in: usize) {
        if self.one_in(one_in) {
            std::thread::sleep(Duration::from_micros(self.below(2000) as u64));
        }
    }
}

/// The bytes of one direction.
struct Stream {
    random: Random,
    word: [u8; 8],
    used: usize,
}

impl Stream {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), word: [0; 8], used: 8 }
    }

    fn fill(&mut self, into: &mut [u8]) {
        let rest = (8 - self.used).min(into.len());
        into[..rest].copy_from_slice(&self.word[self.used..self.used + rest]);
        self.used += rest;
        for part in into[rest..].chunks_mut(8) {
            self.word = self.random.next().to_le_bytes();
            part.copy_from_slice(&self.word[..part.len()]);
            self.used = part.len();
        }
    }
}

/// How bytes are cut and how often it pauses.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Now single bytes, now hundreds of kilobytes, with pauses.
    Fitful,
    /// As fast as they go.
    Steady,
}

const CHUNK: usize = 256 << 10;

/// Writes the stream of this seed, so many bytes of it.
pub(crate) fn write(mut to: impl Write, seed: u64, length: u64, manner: Manner) -> std::io::Result<()> {
    let (mut stream, mut random) = (Stream::new(seed), Random::new(!seed));
    let mut room = vec![0; CHUNK];
    let (mut left, mut single) = (length, 0);
    while left > 0 {
        let most = match manner {
            Manner::Steady => CHUNK,
            Manner::Fitful if single > 0 => 1,
            Manner::Fitful => random.size(18),
        };
        single = if single > 0 { single - 1 } else { random.below(100) * usize::from(random.one_in(20)) };
        let chunk = &mut room[..most.min(left as usize)];
        stream.fill(chunk);
        to.write_all(chunk)?;
        left -= chunk.len() as u64;
        if matches!(manner, Manner::Fitful) {
            random.pause(30);
        }
    }
    Ok(())
}

/// Reads to the end of the stream (FIN), and tells how many bytes of the stream of this seed came.
pub(crate) fn read(mut from: impl Read, seed: u64, manner: Manner) -> u64 {
    let (mut stream, mut random) = (Stream::new(seed), Random::new(seed.rotate_left(9)));
    let (mut room, mut wanted) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut came = 0;
    loop {
        let most = match manner {
            Manner::Steady => CHUNK,
            Manner::Fitful => random.size(18),
        };
        let n = from.read(&mut room[..most]).unwrap_or_else(|e| panic!("seed {seed:#x}, at {came}: {e}"));
        if n == 0 {
            return came;
        }
        stream.fill(&mut wanted[..n]);
        if room[..n] != wanted[..n] {
            let at = room.iter().zip(&wanted).position(|(a, b)| a != b).unwrap();
            panic!("seed {seed:#x}: byte {} is wrong", came + at as u64);
        }
        came += n as u64;
        if matches!(manner, Manner::Fitful) {
            random.pause(60);
        }
    }
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let whole = cut(|_| 5000);
    let mut random = Random::new(5);
    assert_eq!(whole, cut(|left| 1 + random.below(left.min(40))));
    assert_eq!(whole, cut(|_| 1));
}

#[cfg(test)]
fn cut(mut by: impl FnMut(usize) -> usize) -> Vec<u8> {
    let (mut stream, mut bytes) = (Stream::new(77), vec![0; 5000]);
    let mut rest = &mut bytes[..];
    while !rest.is_empty() {
        let (part, others) = rest.split_at_mut(by(rest.len()));
        stream.fill(part);
        rest = others;
    }
    bytes
}
