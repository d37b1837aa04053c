//! Starts the members behind the proxies: penstock's own origin, or Redis.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::peer::{find, find_own};
use super::scenario::Mode;
use crate::failure::Failure;
use crate::program::{Folder, Program};
use crate::sockets::{free_ports, is_listening};

/// The connections that the service of lines serves at a time.
const SERVED: &str = "8";

/// A running origin.
pub(crate) struct Origin {
    pub(crate) program: Program,
    /// The first is where direct loads go.
    pub(crate) members: Vec<SocketAddr>,
}

impl Origin {
    /// Starts the origin of this mode on these CPUs: three members for HTTP and TCP, one for the others.
    pub(crate) fn start(mode: Mode, cpus: &[usize], folder: &Folder) -> Result<Self, Failure> {
        match mode {
            Mode::Http | Mode::Tcp => Self::http(3, &[], cpus, folder),
            Mode::Lines => {
                let [member] = free_ports([0])?;
                let mut command = Command::new(find_own("PENSTOCK_ORIGIN_BIN", "penstock-origin")?);
                command.args(["--speaks", "lines", "--legacy", SERVED, "--listen", &format!("a={member}")]);
                Self::run("origin", command, vec![member], cpus, folder)
            }
            Mode::Resp => {
                let [member] = free_ports([0])?;
                let program = find("REDIS_BIN", "redis-server").map_err(Failure::Machine)?;
                let mut command = Command::new(program);
                let port = member.port().to_string();
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
                command
                    .args(["--tcp-backlog", "4096", "--protected-mode", "no"])
                    .arg("--dir")
                    .arg(folder.path());
                Self::run("redis", command, vec![member], cpus, folder)
            }
        }
    }

    /// Starts this number of members, which speak HTTP unless the further options of `penstock-origin` say otherwise.
    pub(crate) fn http(
        count: usize,
        more: &[&str],
        cpus: &[usize],
        folder: &Folder,
    ) -> Result<Self, Failure> {
        let ports: [SocketAddr; 4] = free_ports([0; 4])?;
        let members = ports[..count.clamp(1, ports.len())].to_vec();
        let mut command = Command::new(find_own("PENSTOCK_ORIGIN_BIN", "penstock-origin")?);
        for (name, member) in ('a'..='z').zip(&members) {
            command.args(["--listen", &format!("{name}={member}")]);
        }
        // One thread for each CPU of its side, like a proxy's workers.
        command.args(["--threads", &cpus.len().to_string()]).args(more);
        Self::run("origin", command, members, cpus, folder)
    }

    /// Starts a member of HTTP on a Unix socket. It has no address, and so no member of the list.
    pub(crate) fn unix(path: &Path, cpus: &[usize], folder: &Folder) -> Result<Self, Failure> {
        let mut command = Command::new(find_own("PENSTOCK_ORIGIN_BIN", "penstock-origin")?);
        command.arg("--listen").arg(format!("a=unix:{}", path.display()));
        command.args(["--threads", &cpus.len().to_string()]);
        let program = Program::start("origin", command, cpus, folder, &|| path.exists())?;
        Ok(Self { program, members: Vec::new() })
    }

    fn run(
        name: &str,
        command: Command,
        members: Vec<SocketAddr>,
        cpus: &[usize],
        folder: &Folder,
    ) -> Result<Self, Failure> {
        let ready = || members.iter().all(|member| is_listening(member.port()));
        let program = Program::start(name, command, cpus, folder, &ready)?;
        Ok(Self { program, members })
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.members.iter().map(SocketAddr::port).collect()
    }
}
