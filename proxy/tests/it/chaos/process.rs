//! Processes that can be killed: this program itself, as a member or as a crowd of clients, and Redis.
//!
//! A child is told in its environment what to be, and ends with its parent.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use penstock_bench::Stop;
use penstock_origin::{Options, Origin, Speaks};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::chaos::load;
use crate::chaos::setup::{Kind, Places};

const ROLE: &str = "PENSTOCK_CHAOS_ROLE";

/// Whether Redis is here.
pub(crate) fn are_here() -> bool {
    let here = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !here {
        assert!(
            std::env::var_os("PENSTOCK_TEST_ALL").is_none(),
            "redis-server is missing (Debian: redis-server)"
        );
        println!("SKIPPED: redis-server is missing (Debian: redis-server)");
    }
    here
}

/// What the other processes do. As a test of its own it does nothing.
#[test]
#[ignore = "it is a part of the other test"]
fn another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    penstock_bench::raise_descriptor_limit().unwrap();
    let words: Vec<_> = role.split(' ').collect();
    let at = |word: usize| words[word].parse::<SocketAddr>().unwrap();
    match words[0] {
        "http" => serve(Speaks::Http, at(1)),
        "lines" => serve(Speaks::Lines { crlf: false }, at(1)),
        _ => ask(Places {
            admin: at(1),
            http: at(2),
            resp: at(3),
            lines: at(4),
            tcp: at(5),
            members: Vec::new(),
        }),
    }
}

fn serve(speaks: Speaks, at: SocketAddr) {
    loop {
        let options = Options { listen: vec![("member".to_owned(), at)], speaks, ..Options::default() };
        match Origin::start(options) {
            Ok(_serving) => loop {
                std::thread::park();
            },
            Err(_) => std::thread::sleep(Duration::from_millis(20)), // the one before has not gone yet
        }
    }
}

/// Until it is killed, or an answer is wrong.
fn ask(places: Places) {
    let plans = load::plans(&places, u64::from(std::process::id()), Stop::Duration(Duration::from_secs(5)));
    // Its keys in Redis would be those of the clients in the other process.
    std::thread::scope(|scope| {
        for (name, plan) in plans.iter().filter(|(name, _)| *name != "resp") {
            scope.spawn(move || {
                loop {
                    let report = penstock_bench::run(plan).unwrap();
                    if !report.is_right() || report.errors.timeout > 0 {
                        eprintln!("{name}: {report:?}");
                        std::process::exit(3);
                    }
                }
            });
        }
    });
}

fn as_another(role: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "chaos::process::another_process", "--nocapture"]).env(ROLE, role);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// The members, and a crowd of clients, if it has come.
pub(crate) struct Members {
    all: Vec<Member>,
    crowd: Option<Child>,
    crowd_role: String,
    directory: PathBuf,
}

struct Member {
    kind: Kind,
    at: SocketAddr,
    child: Option<Child>,
}

impl Members {
    pub(crate) fn start(places: &Places, directory: &Path) -> Self {
        let Places { admin, http, resp, lines, tcp, members } = places;
        let crowd_role = format!("clients {admin} {http} {resp} {lines} {tcp}");
        let all = members.iter().map(|(kind, at)| Member { kind: *kind, at: *at, child: None }).collect();
        let mut members = Self { all, crowd: None, crowd_role, directory: directory.to_owned() };
        members.mend();
        members
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Kills one (SIGKILL): its sockets are reset by the kernel, and nobody listens.
    pub(crate) fn kill(&mut self, which: usize) {
        if let Some(mut child) = self.all[which].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts one that was killed.
    pub(crate) fn start_again(&mut self, which: usize) {
        let member = &mut self.all[which];
        if member.child.is_none() {
            member.child = Some(member.spawn(&self.directory));
        }
    }

    /// Stops one (SIGSTOP) or lets it go on (SIGCONT).
    pub(crate) fn signal(&self, which: usize, signal: Signal) {
        if let Some(child) = &self.all[which].child {
            kill_process(Pid::from_child(child), signal).unwrap();
        }
    }

    /// Kills the crowd of clients, and sends another one.
    pub(crate) fn replace_crowd(&mut self) {
        self.end_crowd();
        self.crowd = Some(as_another(&self.crowd_role));
    }

    /// A crowd that has ended by itself saw a wrong answer.
    pub(crate) fn end_crowd(&mut self) {
        let Some(mut crowd) = self.crowd.take() else { return };
        let ended = crowd.try_wait().unwrap();
        assert!(ended.is_none(), "the crowd of clients ended: {ended:?}; it said above why");
        crowd.kill().unwrap();
        crowd.wait().unwrap();
    }

    /// All are there and go on.
    pub(crate) fn mend(&mut self) {
        for which in 0..self.count() {
            self.signal(which, Signal::CONT);
            self.start_again(which);
        }
    }
}

impl Member {
    fn spawn(&self, directory: &Path) -> Child {
        let at = self.at;
        match self.kind {
            Kind::Http => as_another(&format!("http {at}")),
            Kind::Lines | Kind::Tcp => as_another(&format!("lines {at}")),
            Kind::Redis => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "--", "redis-server", "--bind", "127.0.0.1", "--port"]);
                command.arg(at.port().to_string()).args(["--appendonly", "no", "--save", ""]);
                command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
            }
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        let children = self.all.iter_mut().filter_map(|member| member.child.as_mut());
        for child in children.chain(self.crowd.as_mut()) {
            // It may have ended already, which is as well.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
