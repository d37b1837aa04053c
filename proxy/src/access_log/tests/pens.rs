//! Tests what a writer hands over and when, and what it does if nobody takes its blocks.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use super::super::LogWriter;
use super::{Folder, World, eventually, ordinals, settings, write_numbered};
use crate::config::{LogFormat, LogTo};
use crate::metrics::LogLine;

#[test]
fn lines_are_in_the_file_when_the_pen_goes() {
    let (folder, world) = (Folder::new("goes"), World::new());
    let log_writer = world.log_writer(&folder.to("log"));
    write_numbered(&log_writer, 0..3);
    assert_eq!(world.lines(LogLine::Written), 0, "they wait for more");
    drop(log_writer);
    assert_eq!(world.lines(LogLine::Written), 3);
    world.logs.finish();
    assert_eq!(ordinals(&folder.read("log")), [0, 1, 2]);
}

#[test]
fn a_full_block_is_handed_over_at_once() {
    let (folder, world) = (Folder::new("full"), World::new());
    let log_writer = world.log_writer(&folder.to("log"));
    let mut written = 0;
    while world.lines(LogLine::Written) == 0 {
        write_numbered(&log_writer, written..written + 1);
        written += 1;
    }
    assert_eq!(world.lines(LogLine::Written), u64::from(written));
    eventually("all of it is in the file", || ordinals(&folder.read("log")).len() == written as usize);
    assert!(folder.read("log").len() >= 32 << 10);
}

/// Runs the worker's clock until `done` holds.
fn while_ticking(world: &World, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::select! {
            done = tokio::time::timeout(Duration::from_secs(60), wait) => done.unwrap(),
            () = world.event_loop.run_ticker(|_| {}) => {}
        }
    });
}

#[test]
fn a_line_alone_is_handed_over_before_long() {
    let (folder, world) = (Folder::new("alone"), World::new());
    let log_writer = world.log_writer(&folder.to("log"));
    write_numbered(&log_writer, 0..1);
    while_ticking(&world, || folder.read("log").lines().count() == 1);
    write_numbered(&log_writer, 1..2);
    while_ticking(&world, || folder.read("log").lines().count() == 2); // the timer was set again
    assert_eq!(ordinals(&folder.read("log")), [0, 1]);
}

#[test]
fn what_is_said_after_the_worker_was_killed_is_written_too() {
    let (folder, world) = (Folder::new("killed"), World::new());
    let log_writer = world.log_writer(&folder.to("log"));
    write_numbered(&log_writer, 0..2);
    world.event_loop.kill();
    assert_eq!(world.lines(LogLine::Written), 2);
    write_numbered(&log_writer, 2..4);
    std::mem::forget(log_writer); // as what is never dropped
    world.logs.finish();
    assert_eq!(ordinals(&folder.read("log")), [0, 1, 2, 3]);
}

#[test]
fn what_comes_after_the_end_is_dropped_and_counted() {
    let (folder, world) = (Folder::new("after"), World::new());
    let log_writer = world.log_writer(&folder.to("log"));
    world.logs.finish();
    write_numbered(&log_writer, 0..5);
    drop(log_writer);
    assert_eq!([world.lines(LogLine::Written), world.lines(LogLine::Dropped)], [0, 5]);
}

#[test]
fn a_pipe_that_nobody_reads_stops_no_worker_and_all_lines_are_counted() {
    const LINES: u32 = 40_000;
    let (folder, world) = (Folder::new("stuck"), World::new());
    let path = folder.fifo("pipe");
    // Open for both, so that it has a reader from the start, and its end is seen by nobody.
    let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
    let log_writer = world.log_writer(&LogTo::File(path));
    write_numbered(&log_writer, 0..LINES);
    let dropped = world.lines(LogLine::Dropped);
    assert!(dropped > 0, "more than a pipe and the backlog hold");
    drop(log_writer);
    let (written, dropped) = (world.lines(LogLine::Written), world.lines(LogLine::Dropped));
    assert_eq!(written + dropped, u64::from(LINES));

    let mut text = Vec::new();
    let mut part = vec![0; 64 << 10];
    while text.iter().filter(|byte| **byte == b'\n').count() < written as usize {
        let n = pipe.read(&mut part).unwrap();
        text.extend_from_slice(&part[..n]);
    }
    world.logs.finish();
    let ordinals = ordinals(std::str::from_utf8(&text).unwrap());
    assert_eq!(ordinals.len(), written as usize);
    assert!(ordinals.is_sorted_by(|a, b| a < b), "in order, and none twice");
}

#[test]
fn a_short_stop_of_the_disk_costs_no_line_of_few() {
    let (folder, world) = (Folder::new("short"), World::new());
    let path = folder.fifo("pipe");
    let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
    let to = LogTo::File(path);
    let filler = world.log_writer(&to);
    write_numbered(&filler, 0..40_000); // the pipe and the backlog are full now
    let dropped = world.lines(LogLine::Dropped);
    let log_writer = world.log_writer(&to);
    write_numbered(&log_writer, 50_000..50_001);
    let after = Instant::now() + Duration::from_millis(700); // more than one look
    while_ticking(&world, || Instant::now() > after);
    assert_eq!(world.lines(LogLine::Dropped), dropped, "it waits in the pen");

    let reader = std::thread::spawn(move || {
        let (mut text, mut part) = (Vec::new(), vec![0; 64 << 10]);
        while memchr::memmem::find(&text, b"\"ordinal\":50000").is_none() {
            let n = pipe.read(&mut part).unwrap();
            text.extend_from_slice(&part[..n]);
        }
    });
    while_ticking(&world, || reader.is_finished());
    reader.join().unwrap();
}

#[test]
fn one_of_so_many_is_sampled() {
    let (folder, world) = (Folder::new("samples"), World::new());
    let to = folder.to("log");
    for (one_of, expected) in [(1, "11111111"), (2, "10101010"), (3, "10010010"), (100, "10000000")] {
        let settings = settings(&to, LogFormat::Json, one_of);
        let log_writer = LogWriter::new(&world.event_loop, world.log(&to), settings, world.cells.clone());
        let seen: String = (0..8).map(|_| if log_writer.samples() { '1' } else { '0' }).collect();
        assert_eq!(seen, expected, "one of {one_of}");
    }
}
