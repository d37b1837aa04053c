//! Random content that is the same for the same seed.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

#[path = "../../it/support/splitmix.rs"]
mod splitmix;

pub(crate) use splitmix::Random;

impl Random {
    /// Bytes of all values.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }
}

/// Writes so many bytes, no two pieces of it alike.
pub(crate) fn write_bytes(path: &Path, seed: u64, length: usize) {
    std::fs::write(path, Random::new(seed).bytes(length)).unwrap();
}

/// Writes so many lines of 1,000 bytes, the line end included, each of them another.
pub(crate) fn write_lines(path: &Path, seed: u64, lines: usize) {
    let mut random = Random::new(seed);
    let text: Vec<u8> = (0..64 * 1024).map(|_| b'0' + random.below(75) as u8).map(plain).collect();
    let mut file = BufWriter::new(File::create(path).unwrap());
    for line in 0..lines {
        let from = random.below(text.len() - 1000);
        writeln!(file, "{line:9}{}", std::str::from_utf8(&text[from..from + 990]).unwrap()).unwrap();
    }
    file.flush().unwrap();
}

/// A backslash escapes what follows it in the text that COPY reads.
fn plain(byte: u8) -> u8 {
    if byte == b'\\' { b'/' } else { byte }
}

/// Asserts that two files hold the same bytes: so many of them.
#[track_caller]
pub(crate) fn assert_same(one: &Path, other: &Path, length: u64) {
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    assert_eq!((size(one), size(other)), (length, length));
    let open = |path| BufReader::with_capacity(1 << 16, File::open(path).unwrap());
    let (mut one, mut other) = (open(one), open(other));
    let mut buffers = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut at = 0;
    while at < length {
        let piece = (length - at).min(1 << 16) as usize;
        one.read_exact(&mut buffers.0[..piece]).unwrap();
        other.read_exact(&mut buffers.1[..piece]).unwrap();
        assert!(
            buffers.0[..piece] == buffers.1[..piece],
            "they differ between {at} and {}",
            at + piece as u64
        );
        at += piece as u64;
    }
}
