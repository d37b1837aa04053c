//! Nothing that the process prints may stop it: a reader may have gone, or not read, and a disk may be full.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::binary::Binary;
use crate::support::own_address::own_address;
use crate::support::scrape::Scrape;
use crate::support::stand::{Setup, directory, origin};
use crate::support::wire::{Wire, eventually, occupy, release};

/// Where what it says goes.
#[derive(Clone, Copy, Debug)]
enum Ear {
    /// A pipe whose reader has gone: EPIPE.
    Gone,
    /// A disk that is full: ENOSPC.
    Full,
    /// A pipe that is full, and that nobody reads: whoever writes waits.
    Stuck,
}

impl Ear {
    /// Something to be written to, and what has to be kept meanwhile.
    fn open(self) -> (OwnedFd, Option<std::io::PipeReader>) {
        if let Self::Full = self {
            return (File::options().write(true).open("/dev/full").unwrap().into(), None);
        }
        let (reader, mut writer) = std::io::pipe().unwrap();
        if let Self::Gone = self {
            return (writer.into(), None);
        }
        rustix::io::ioctl_fionbio(writer.as_fd(), true).unwrap();
        let full = loop {
            if let Err(error) = writer.write(&[b'.'; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        rustix::io::ioctl_fionbio(writer.as_fd(), false).unwrap();
        (writer.into(), Some(reader))
    }
}

/// A program whose words nobody hears; it is killed when it is dropped.
struct Unheard {
    child: Child,
    config: PathBuf,
    _pipes: [Option<std::io::PipeReader>; 2],
}

impl Unheard {
    fn run(text: &str, out: Ear, err: Ear) -> Self {
        let config = directory("unheard").join("config.yaml");
        std::fs::write(&config, text).unwrap();
        let ((out, first), (err, second)) = (out.open(), err.open());
        let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
        command.args(["run", "--config"]).arg(&config).stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().unwrap();
        Self { child, config, _pipes: [first, second] }
    }

    fn signal(&mut self, signal: Signal) {
        assert!(self.child.try_wait().unwrap().is_none(), "it still runs");
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reloads that were taken and rejected, good ones with a warning each; logs that are opened anew; and the end.
fn serves_to_the_end(out: Ear, err: Ear, log: &str) {
    let origin = origin(1);
    let (web, admin) = (own_address(), own_address());
    let text = Setup::new()
        .workers(1)
        .top(&format!("admin: {admin}"))
        .listener(&format!("bind: {web}"))
        .listener(&format!("access_log: {{ to: {log} }}"))
        .text(origin.addresses());
    let mut proxy = Unheard::run(&text, out, err);
    eventually("it listens", || std::net::TcpStream::connect(web).is_ok());
    let mut client = Wire::connect(web);
    assert_eq!(client.get("/hello").status, 200);
    let reloads = |result: &str| {
        let scrape = Scrape::new(Wire::connect(admin).get("/metrics").text());
        scrape.sum_of("penstock_config_reloads_total", &[&format!("result=\"{result}\"")])
    };
    for round in 1..=20 {
        let taken = format!("{text}\n# {round}");
        std::fs::write(&proxy.config, &taken).unwrap();
        proxy.signal(Signal::HUP);
        eventually("it is taken", || reloads("ok") == round);
        // Long enough to fill any pipe in a few rounds.
        let mistakes: String = (0..200).map(|i| format!("no_such_option_{i}: 1\n")).collect();
        std::fs::write(&proxy.config, mistakes).unwrap();
        proxy.signal(Signal::HUP);
        eventually("it is rejected", || reloads("rejected") == round);
        proxy.signal(Signal::USR1);
        assert_eq!(client.get("/hello").status, 200, "who is there stays");
    }
    let mut busy = occupy(web);
    proxy.signal(Signal::TERM);
    client.is_over();
    assert_eq!(release(&mut busy).status, 200, "what was in flight ends");
    let status = proxy.end();
    assert_eq!(status.code(), Some(0), "{out:?} {err:?} {log}: {status}");
}

#[test]
fn whoever_read_it_may_have_gone() {
    serves_to_the_end(Ear::Gone, Ear::Gone, "off");
    serves_to_the_end(Ear::Gone, Ear::Gone, "stdout");
}

#[test]
fn the_disk_may_be_full() {
    serves_to_the_end(Ear::Full, Ear::Full, "off");
    serves_to_the_end(Ear::Full, Ear::Full, "stdout");
}

#[test]
fn a_pipe_that_nobody_reads_holds_nothing_up() {
    serves_to_the_end(Ear::Stuck, Ear::Stuck, "off");
    serves_to_the_end(Ear::Stuck, Ear::Stuck, "stdout");
    serves_to_the_end(Ear::Gone, Ear::Stuck, "/dev/full");
}

/// Writing to a file beyond `ulimit -f` raises a signal that ends a process that does not know of it.
#[test]
fn a_log_may_be_as_long_as_files_may_be() {
    let origin = origin(1);
    let folder = directory("long");
    let (config, log) = (folder.join("config.yaml"), folder.join("access.log"));
    let setup = Setup::new().top("admin: 127.0.0.1:0");
    let setup = setup.listener(&format!("access_log: {{ to: \"{}\" }}", log.display()));
    std::fs::write(&config, setup.text(origin.addresses())).unwrap();
    let mut proxy = Binary::run_in_shell("ulimit -f 8; exec \"$0\" \"$@\"", config);
    let (web, admin) = (proxy.listener("web"), proxy.listener("metrics"));
    let mut client = Wire::connect(web);
    eventually("lines are lost, and counted", || {
        (0..100).for_each(|_| assert_eq!(client.get("/hello").status, 200));
        let scrape = Scrape::new(Wire::connect(admin).get("/metrics").text());
        scrape.sum_of("penstock_access_log_faults_total", &["operation=\"write\""]) > 0
    });
    assert!(proxy.err().contains("cannot write to"), "{}", proxy.err());
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.exit(), Some(0));
}

/// What cannot start says so with its exit code, at least.
#[test]
fn a_start_that_fails_ends_whether_or_not_anybody_hears_why() {
    for ear in [Ear::Gone, Ear::Full, Ear::Stuck] {
        for text in ["nonsense: 1\n".to_owned(), Setup::new().text(&[("a".to_owned(), "127.0.0.1:9")])] {
            let taken = TcpListener::bind("127.0.0.1:0").unwrap();
            let text = text.replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
            let status = Unheard::run(&text, ear, ear).end();
            assert_eq!(status.code(), Some(1), "{ear:?}: {status}");
        }
    }
}
