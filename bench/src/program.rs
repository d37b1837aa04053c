//! Runs a program on CPUs of its own, and reads what it and its children use from `/proc`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::failure::Failure;
use crate::interrupt;
use crate::party::{Cpu, Party};
use crate::places;

/// The longest time until a program listens, and until it has ended after SIGTERM.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A folder for the files of the programs, which goes with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self, Failure> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("penstock-bench.{}.{number}", std::process::id()));
        fs::create_dir_all(&path)
            .map_err(|error| Failure::Machine(format!("{}: {error}", path.display())))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(|error| Failure::Machine(format!("{}: {error}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the folder for temporary files does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running program; it and its children end with this value.
pub(crate) struct Program {
    child: Child,
    /// The program and its children, as they were when it listened.
    pids: Vec<u32>,
    party: Party,
}

impl Program {
    /// Starts a program on these CPUs, and waits until `is_ready`.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        cpus: &[usize],
        folder: &Folder,
        is_ready: &dyn Fn() -> bool,
    ) -> Result<Self, Failure> {
        let log = folder.path().join(format!("{name}.log"));
        let output = File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
        let (out, err) = output.map_err(|error| Failure::Machine(format!("{}: {error}", log.display())))?;
        // In a group of its own, the child does not get the terminal's Ctrl-C.
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        let own = places::allowed()?;
        places::pin(cpus)?; // a child inherits the CPUs of the thread that starts it
        let started = command.spawn();
        places::pin(&own)?;
        let child = started.map_err(|error| {
            Failure::Machine(format!(
                "{} cannot be started: {error}",
                Path::new(command.get_program()).display()
            ))
        })?;
        interrupt::end_too(child.id());
        let mut program = Self { pids: vec![child.id()], party: Party::default(), child };
        program.wait_until(name, is_ready).map_err(|words| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Failure::Machine(format!("{words}: {last}"))
        })?;
        program.pids = family(program.child.id());
        program.party = Party::new(program.pids.clone()).map_err(Failure::Machine)?;
        Ok(program)
    }

    fn wait_until(&mut self, name: &str, is_ready: &dyn Fn() -> bool) -> Result<(), String> {
        let began = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{name} ended with {status}"));
            }
            if is_ready() {
                return Ok(());
            }
            if began.elapsed() > START_TIMEOUT {
                return Err(format!("{name} does not listen after {START_TIMEOUT:?}"));
            }
            sleep(LOOK_EVERY);
        }
    }

    /// Returns whether the program runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns its processes, as they were when it listened.
    pub(crate) fn party(&self) -> &Party {
        &self.party
    }

    /// Returns the CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Cpu {
        self.party.cpu()
    }

    /// Returns the bytes of its own memory, without the files that it maps. Pages that processes share count once.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let own = |pid: &u32| {
            let told = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = told.lines().find_map(|line| line.strip_prefix("Pss_Anon:"))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        };
        self.pids.iter().filter_map(own).sum::<u64>() * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        // A process that has ended already needs no signal.
        let _ = kill(pid, Signal::SIGTERM);
        let began = Instant::now();
        while self.is_alive() && began.elapsed() < STOP_TIMEOUT {
            sleep(LOOK_EVERY);
        }
        // Its children are in its group, and some programs leave them behind.
        let _ = killpg(pid, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Returns a process and all its descendants.
fn family(root: u32) -> Vec<u32> {
    let mut children = HashMap::<u32, Vec<u32>>::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name, in brackets, may hold anything; the parent is the second word behind it.
        let parent =
            stat.rsplit(')').next().and_then(|rest| rest.split_ascii_whitespace().nth(1)?.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(children.remove(pid).unwrap_or_default());
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_children_are_measured_and_end() {
        let folder = Folder::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & while :; do :; done"]);
        let program =
            Program::start("loop", command, &places::allowed().unwrap(), &folder, &|| true).unwrap();
        let began = Instant::now();
        while program.cpu().since(&Cpu::default()) == 0.0 || family(program.child.id()).len() < 2 {
            assert!(began.elapsed() < Duration::from_secs(60), "it uses no CPU");
            sleep(LOOK_EVERY);
        }
        assert!(program.memory_bytes() > 0);
        let pids = family(program.child.id());
        drop(program);
        // The shell leaves its child to init, which may take a moment to notice its end.
        let runs = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        while pids.iter().any(runs) {
            assert!(began.elapsed() < Duration::from_secs(60), "{pids:?} run on");
            sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn a_program_that_ends_at_once_says_why() {
        let folder = Folder::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no licence; exit 3"]);
        let started = Program::start("sh", command, &places::allowed().unwrap(), &folder, &|| false);
        let words = started.err().unwrap().to_string();
        assert!(words.contains("exit status: 3") && words.contains("no licence"), "{words}");
    }
}
