//! A program that runs: its output in files, its end by its pid, also when the test that started it panics.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::program::Program;

/// What runs longer than this is killed, and fails its test.
const LONGEST: Duration = Duration::from_secs(120);
/// What has not ended so long after it was told to is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A user that a program runs as.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A program that is about to be run.
pub(crate) struct Run {
    command: Command,
    name: String,
    within: PathBuf,
    out: Option<PathBuf>,
    end: Signal,
}

impl Run {
    /// It runs in this directory, and is killed by the kernel where the test's thread dies before it.
    pub(crate) fn new(program: Program, within: &Path) -> Self {
        Self::as_user(program, within, None)
    }

    pub(crate) fn as_user(program: Program, within: &Path, user: Option<User>) -> Self {
        let path = program.path();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(User { uid, gid }) = user {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
        }
        command.arg("--").arg(&path).current_dir(within).stdin(Stdio::null()).process_group(0);
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        Self { command, name, within: within.to_owned(), out: None, end: Signal::TERM }
    }

    /// An argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Arguments, between blanks.
    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.command.args(arguments.split_whitespace());
        self
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What it reads.
    pub(crate) fn input(mut self, file: &Path) -> Self {
        self.command.stdin(File::open(file).unwrap());
        self
    }

    /// Where its standard output goes, where that is content rather than words.
    pub(crate) fn output(mut self, file: &Path) -> Self {
        self.out = Some(file.to_owned());
        self
    }

    /// The signal that ends it, where that is not TERM.
    pub(crate) fn ended_by(mut self, signal: Signal) -> Self {
        self.end = signal;
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Child {
        let out = self.out.take().unwrap_or_else(|| self.log("out"));
        let err = self.log("err");
        self.command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let child =
            self.command.spawn().unwrap_or_else(|error| panic!("setpriv, for {}: {error}", self.name));
        Child { child, name: self.name, out, err, end: self.end, ended: None }
    }

    /// Runs it to its end, which has to be a good one; gives what it wrote to its standard output.
    #[track_caller]
    pub(crate) fn succeed(self) -> String {
        let mut child = self.start();
        let status = child.wait();
        assert!(status.success(), "{} ended with {status}:\n{}", child.name, child.said());
        child.out()
    }

    /// A file that nobody has yet, for what it says.
    fn log(&self, kind: &str) -> PathBuf {
        let numbered = |i| self.within.join(format!("{}.{i}.{kind}", self.name));
        (0..).map(numbered).find(|path| !path.exists()).unwrap()
    }
}

/// A program that was started. It has ended when this is dropped.
pub(crate) struct Child {
    child: std::process::Child,
    name: String,
    out: PathBuf,
    err: PathBuf,
    end: Signal,
    ended: Option<ExitStatus>,
}

impl Child {
    /// What it wrote to its standard output.
    pub(crate) fn out(&self) -> String {
        read(&self.out)
    }

    /// What it wrote, wherever to.
    pub(crate) fn said(&self) -> String {
        self.out() + &read(&self.err)
    }

    /// Waits until it says this.
    #[track_caller]
    pub(crate) fn until_it_says(&mut self, text: &str) {
        self.until(text, |said| said.contains(text));
    }

    /// Waits until what it said is right.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let end = Instant::now() + LONGEST;
        while !holds(&self.said()) {
            assert!(self.runs(), "{} ended before it said {what}:\n{}", self.name, self.said());
            assert!(Instant::now() < end, "{} never said {what}:\n{}", self.name, self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.ended = self.ended.or_else(|| self.child.try_wait().unwrap());
        self.ended.is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(self.ends_within(LONGEST), "{} did not end:\n{}", self.name, self.said());
        self.ended.unwrap()
    }

    fn ends_within(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.runs() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ended.is_some()
    }

    fn end(&mut self) {
        self.signal(self.end);
        self.ends_within(GRACE);
        // What it has started itself is in its group, and the group may be gone, which is as well.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.ended = self.ended.or_else(|| self.child.wait().ok());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.runs() {
            self.end();
        }
        if std::thread::panicking() {
            println!("--- {} ({:?})\n{}", self.name, self.ended, self.said());
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
