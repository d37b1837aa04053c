//! The built program as its user runs it: arguments, signals, what it prints, how it exits.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use super::stand::directory;
use super::wire::eventually;

/// A running `penstock run`; it is killed when it is dropped.
pub(crate) struct Binary {
    child: Child,
    pub(crate) config: PathBuf,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

fn program() -> Command {
    // Such as a release build, where that is what is to be tried.
    let other = std::env::var_os("PENSTOCK_TEST_PROGRAM");
    Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_penstock").into()))
}

/// Runs the program to its end in a directory of its own.
pub(crate) fn output(arguments: &[&str], within: &Path) -> Output {
    program().args(arguments).current_dir(within).stdin(Stdio::null()).output().unwrap()
}

impl Binary {
    /// Runs it with this configuration, and waits until it has told all addresses.
    pub(crate) fn run(text: &str) -> Self {
        Self::run_with(text, &[])
    }

    pub(crate) fn run_with(text: &str, arguments: &[&str]) -> Self {
        let config = directory("run").join("config.yaml");
        std::fs::write(&config, text).unwrap();
        let mut all = vec!["run", "--config", config.to_str().unwrap()];
        all.extend(arguments);
        let binary = Self::spawn(&all, config.parent().unwrap(), config.clone());
        eventually("it tells what to try", || binary.out().iter().any(|line| line.starts_with("try")));
        binary
    }

    /// Runs it by a line of the shell, in which `"$0" "$@"` is what is to be run.
    pub(crate) fn run_in_shell(line: &str, config: PathBuf) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", line, env!("CARGO_BIN_EXE_penstock"), "run", "--config"]).arg(&config);
        let within = config.parent().unwrap().to_owned();
        let binary = Self::start(command, &within, config);
        eventually("it tells what to try", || {
            binary.out().iter().any(|line| line.starts_with("try") || line.starts_with("metrics"))
        });
        binary
    }

    pub(crate) fn spawn(arguments: &[&str], within: &Path, config: PathBuf) -> Self {
        let mut command = program();
        command.args(arguments);
        Self::start(command, within, config)
    }

    fn start(mut command: Command, within: &Path, config: PathBuf) -> Self {
        command.current_dir(within).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let readers = vec![
            follow(child.stdout.take().unwrap(), &stdout),
            follow(child.stderr.take().unwrap(), &stderr),
        ];
        Self { child, config, stdout, stderr, readers }
    }

    /// The lines of its stdout so far.
    pub(crate) fn out(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// Its stderr so far.
    pub(crate) fn err(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }

    /// The address it told for this listener (or for its metrics).
    #[track_caller]
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        let out = self.out();
        let line = out.iter().find(|line| line.split_whitespace().next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {out:?}"));
        let url = line.split_whitespace().nth(1).unwrap();
        let (_, address) = url.split_once("://").unwrap_or_else(|| panic!("no address in {line:?}"));
        address.split('/').next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Rewrites its configuration and sends SIGHUP; gives what it said of it.
    pub(crate) fn reload(&self, text: &str) -> String {
        let said = |all: Vec<String>| all.iter().filter(|line| line.contains("configuration ")).count();
        let before = said(self.out()) + said(self.stderr.lock().unwrap().clone());
        std::fs::write(&self.config, text).unwrap();
        self.signal(Signal::HUP);
        eventually("it says what became of it", || {
            said(self.out()) + said(self.stderr.lock().unwrap().clone()) > before
        });
        self.err()
    }

    /// Waits for its end; gives the exit code, or `None` where a signal ended it.
    pub(crate) fn exit(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        status.unwrap().code()
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most registrant memory it has had, in bytes (`VmHWM`).
    pub(crate) fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(pipe: impl Read + Send + 'static, into: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let into = into.clone();
    std::thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| into.lock().unwrap().push(line));
    })
}
