//! Tests of blocks that could be written in part only, on files that fail as they are told.

use std::io::{self, ErrorKind, Write};

use super::super::block_writer::BlockWriter;
use super::super::line_block::LineBlock;

type Mood = Result<usize, ErrorKind>;

/// Takes as many bytes with each write as told, or fails.
struct Moody {
    text: String,
    moods: Vec<Mood>,
}

impl Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mood = if self.moods.is_empty() { Ok(usize::MAX) } else { self.moods.remove(0) };
        let taken = mood?.min(bytes.len());
        self.text += std::str::from_utf8(&bytes[..taken]).unwrap();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn block() -> LineBlock {
    LineBlock { text: b"one\ntwo\nthree\n".to_vec(), lines: 3 }
}

/// Two blocks, the first in these moods: what is in the file, and the lines that the first lost.
fn after(moods: &[Mood]) -> (String, u64) {
    let mut file = Moody { text: String::new(), moods: moods.to_vec() };
    let mut whole = BlockWriter::default();
    let lost = whole.write(&mut block(), &mut file).map_or_else(|loss| loss.lines, |()| 0);
    whole.write(&mut block(), &mut file).unwrap();
    (file.text, lost)
}

#[test]
fn a_torn_line_gets_its_end_and_spoils_no_other() {
    const FULL: Mood = Err(ErrorKind::StorageFull);
    let all = "one\ntwo\nthree\n";
    let rows: [(&[Mood], &str, u64); 7] = [
        (&[], all, 0),
        (&[Ok(2), Err(ErrorKind::Interrupted), Ok(5), Err(ErrorKind::WouldBlock)], all, 0),
        (&[FULL], "", 3),
        (&[Ok(0)], "", 3),
        (&[Ok(4), FULL], "one\n", 2),
        (&[Ok(5), FULL], "one\nt\n", 2),
        (&[Ok(13), FULL], "one\ntwo\nthree\n", 1),
    ];
    for (moods, in_file, lost) in rows {
        assert_eq!(after(moods), (in_file.to_owned() + all, lost), "{moods:?}");
    }
}

#[test]
fn a_line_that_stays_torn_is_counted_once() {
    let full = Err(ErrorKind::StorageFull);
    let mut file = Moody { text: String::new(), moods: vec![Ok(5), full, full, Ok(1), full] };
    let mut whole = BlockWriter::default();
    let mut lost = || whole.write(&mut block(), &mut file).unwrap_err().lines;
    assert_eq!([lost(), lost(), lost()], [2, 3, 3]);
    whole.write(&mut block(), &mut file).unwrap();
    assert_eq!(file.text, "one\nt\none\ntwo\nthree\n");
}
