//! Tests log files that are moved away, missing, full or stuck, and of logs that share a file.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Folder, World, append, eventually, ordinals, write_numbered};
use crate::config::LogTo;
use crate::metrics::{LogFault, LogLine};

#[test]
fn a_file_that_was_moved_away_is_opened_anew_at_once() {
    let (folder, world) = (Folder::new("moved"), World::new());
    let to = folder.to("log");
    write_numbered(&world.log_writer(&to), 0..2);
    let keeps_it_open = world.log(&to);
    eventually("they are in the file", || folder.read("log").lines().count() == 2);
    fs::rename(folder.0.join("log"), folder.0.join("log.1")).unwrap();
    let log_writer = world.log_writer(&to);
    write_numbered(&log_writer, 2..3);
    drop(log_writer);
    eventually("the old file is in use until it is said otherwise", || {
        folder.read("log.1").lines().count() == 3
    });
    world.logs.reopen();
    eventually("the new file is there before there is a line for it", || folder.0.join("log").exists());
    write_numbered(&world.log_writer(&to), 3..5);
    world.logs.finish();
    drop(keeps_it_open);
    assert_eq!(ordinals(&folder.read("log.1")), [0, 1, 2]);
    assert_eq!(ordinals(&folder.read("log")), [3, 4]);
}

#[test]
fn a_file_that_cannot_be_opened_anew_leaves_the_old_one_in_use() {
    let (folder, world) = (Folder::new("kept"), World::new());
    let below = folder.0.join("below");
    fs::create_dir(&below).unwrap();
    let log_writer = world.log_writer(&LogTo::File(below.join("log")));
    fs::rename(&below, folder.0.join("moved")).unwrap();
    world.logs.reopen();
    eventually("it was tried", || world.faults(LogFault::Open) == 1);
    write_numbered(&log_writer, 0..3);
    drop(log_writer);
    world.logs.finish();
    assert_eq!(ordinals(&folder.read("moved/log")), [0, 1, 2]);
    assert_eq!([world.faults(LogFault::Write), world.process().log_lost_lines.get()], [0, 0]);
}

#[test]
fn one_path_has_one_writer_and_another_its_own() {
    let (folder, world) = (Folder::new("shared"), World::new());
    let (one, same) = (world.log(&folder.to("log")), world.log(&folder.to("log")));
    assert!(Arc::ptr_eq(&one, &same));
    assert!(!Arc::ptr_eq(&one, &world.log(&folder.to("other"))));
    let pens = [world.log_writer(&folder.to("log")), world.log_writer(&folder.to("log"))];
    for n in (0..4000).step_by(2) {
        write_numbered(&pens[0], n..n + 1);
        write_numbered(&pens[1], n + 1..n + 2);
    }
    drop(pens);
    world.logs.finish();
    let mut found = ordinals(&folder.read("log"));
    found.sort_unstable();
    assert!(found.into_iter().eq(0..4000));
}

#[test]
fn who_lets_go_of_a_log_may_have_it_again() {
    let (folder, world) = (Folder::new("again"), World::new());
    for n in 0..5 {
        write_numbered(&world.log_writer(&folder.to("log")), n..n + 1);
    }
    world.logs.finish();
    let found = || {
        let mut found = ordinals(&folder.read("log"));
        found.sort_unstable(); // each had a thread of its own
        found
    };
    assert_eq!(found(), [0, 1, 2, 3, 4]);
}

#[test]
fn what_was_in_the_file_stays_and_a_new_one_is_not_for_everybody() {
    let (folder, world) = (Folder::new("stays"), World::new());
    append(&folder.0.join("log"), "before\n");
    write_numbered(&world.log_writer(&folder.to("log")), 0..1);
    write_numbered(&world.log_writer(&folder.to("new")), 0..1);
    world.logs.finish();
    let text = folder.read("log");
    assert!(text.starts_with("before\n{\"time\":"), "{text}");
    let mode = fs::metadata(folder.0.join("new")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o640, 0, "{mode:o}");
}

#[test]
fn what_cannot_be_opened_is_named() {
    let (folder, world) = (Folder::new("named"), World::new());
    let missing = folder.0.join("missing/log");
    let fifo = folder.fifo("nobody-reads-it");
    for path in [missing.as_path(), folder.0.as_path(), fifo.as_path()] {
        let error = world.logs.open(&LogTo::File(path.to_owned())).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot open {}: ", path.display())), "{error}");
    }
}

#[test]
fn a_full_disk_costs_lines_that_are_counted_and_nothing_else() {
    let (folder, world) = (Folder::new("disk"), World::new());
    let (full, sound) = (LogTo::File(Path::new("/dev/full").to_owned()), folder.to("log"));
    let pens = [world.log_writer(&full), world.log_writer(&sound)];
    for log_writer in &pens {
        write_numbered(log_writer, 0..1000);
    }
    drop(pens);
    world.logs.finish();
    assert_eq!(world.lines(LogLine::Written), 2000, "handed over they were");
    assert_eq!(world.process().log_lost_lines.get(), 1000);
    assert!(world.faults(LogFault::Write) > 1);
    assert_eq!(ordinals(&folder.read("log")).len(), 1000);
}

#[test]
fn a_pipe_whose_reader_left_is_no_end() {
    let (folder, world) = (Folder::new("left"), World::new());
    let path = folder.fifo("pipe");
    let to = LogTo::File(path.clone());
    let mut reader = open_first(&path);
    let log_writer = world.log_writer(&to);
    let mut part = [0; 4096];
    let _ = reader.read(&mut part); // nothing yet, or would wait: it is non-blocking
    drop(reader);
    write_numbered(&log_writer, 0..7);
    drop(log_writer);
    eventually("they were lost", || world.process().log_lost_lines.get() == 7);
}

/// Opens a FIFO for reading before a writer exists, without waiting for one.
fn open_first(path: &Path) -> File {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let (folder, world) = (Folder::new("end"), World::new());
    let path = folder.fifo("pipe");
    let pipe = File::options().read(true).write(true).open(&path).unwrap();
    let log_writer = world.log_writer(&LogTo::File(path));
    write_numbered(&log_writer, 0..5000); // more than a pipe holds
    world.logs.finish_within(Duration::from_millis(50));
    drop(pipe); // its thread finds nobody there, and ends
}
