//! SSH through the proxy: the server speaks first, and so does the client; commands, half-closed input, files.

use std::net::SocketAddr;
use std::path::Path;

use rustix::process::getuid;

use crate::real::random::{assert_same, write_bytes};
use crate::support::child::{Child, Run};
use crate::support::place::{Directory, own_address, until_it_listens};
use crate::support::program::{Program, are_here};
use crate::support::proxy::{Proxy, Setup};

const SSHD: Program = Program::new("sshd", "openssh-server");
const KEYGEN: Program = Program::new("ssh-keygen", "openssh-client");
const SSH: Program = Program::new("ssh", "openssh-client");
const SCP: Program = Program::new("scp", "openssh-client");
const SFTP: Program = Program::new("sftp", "openssh-client");
const LENGTH: usize = 20_000_000;

/// A server that knows one key, a proxy before it, and a client that has the key.
struct Shell {
    proxy: Proxy,
    _server: Child,
    directory: Directory,
}

impl Shell {
    fn start() -> Option<Self> {
        Self::start_with("send_buffer: auto")
    }

    /// With sockets that have this option, to the client and to the server.
    fn start_with(option: &str) -> Option<Self> {
        are_here(&[SSHD, KEYGEN, SSH, SCP, SFTP]).then(|| {
            let directory = Directory::new("ssh");
            let (server, at) = sshd(&directory);
            let socket = format!("socket: {{ {option} }}");
            let proxy = Setup::tcp(&[at]).listener(&socket).backend(&socket).start();
            Self { proxy, _server: server, directory }
        })
    }

    /// One of the clients, which all take the same options.
    fn client(&self, program: Program) -> Run {
        let run = Run::new(program, self.directory.path()).args("-F none -i user -o BatchMode=yes");
        let run = run.args("-o StrictHostKeyChecking=yes -o UserKnownHostsFile=known -o HostKeyAlias=server");
        run.args(&format!("-o IdentitiesOnly=yes -o Port={}", self.proxy.address().port()))
    }

    fn ssh(&self, command: &str) -> Run {
        self.client(SSH).arg(self.host()).arg(command)
    }

    fn host(&self) -> String {
        self.proxy.address().ip().to_string()
    }

    /// A path there, as `scp` wants it.
    fn there(&self, path: &Path) -> String {
        format!("{}:{}", self.host(), path.display())
    }
}

fn sshd(directory: &Directory) -> (Child, SocketAddr) {
    if getuid().is_root() {
        // Of root it wants the directory that its service makes when it starts.
        std::fs::create_dir_all("/run/sshd").unwrap();
    }
    let keygen = || Run::new(KEYGEN, directory.path()).args("-q -t ed25519 -N").arg("");
    keygen().args("-f host").succeed();
    keygen().args("-f user").succeed();
    let host = std::fs::read_to_string(directory.join("host.pub")).unwrap();
    directory.write("known", format!("server {host}"));

    let (at, own) = (own_address(), directory.path().display());
    let config = format!(
        "ListenAddress {at}\nHostKey {own}/host\nAuthorizedKeysFile {own}/user.pub\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n\
         Subsystem sftp internal-sftp\nUseDNS no\n"
    );
    let config = directory.write("sshd_config", config);
    let mut server = Run::new(SSHD, directory.path()).args("-D -e -f").arg(config).start();
    until_it_listens(&mut server, at);
    (server, at)
}

#[test]
fn ssh_runs_a_command_and_tells_its_output_and_status() {
    let Some(shell) = Shell::start() else { return };
    let mut command = shell.ssh("echo out; echo err >&2; exit 7").start();
    assert_eq!(command.wait().code(), Some(7), "{}", command.said());
    assert_eq!(command.said(), "out\nerr\n");
}

fn input_comes_back(shell: &Shell, length: usize) {
    let (written, read) = (shell.directory.join("written"), shell.directory.join("read"));
    write_bytes(&written, 41, length);
    shell.ssh("cat").input(&written).output(&read).succeed();
    assert_same(&written, &read, length as u64);
    shell.proxy.carried_all();
}

#[test]
fn ssh_carries_input_to_a_command_to_its_end_and_back() {
    let Some(shell) = Shell::start() else { return };
    input_comes_back(&shell, LENGTH);
}

/// Hardly a message is taken whole: what is left of it has to wait, and then go on.
#[test]
fn ssh_carries_it_through_the_smallest_buffers() {
    let Some(shell) = Shell::start_with("send_buffer: 1KiB, receive_buffer: 64KiB") else { return };
    input_comes_back(&shell, LENGTH / 10);
}

#[test]
fn scp_and_sftp_carry_a_file_there_and_back() {
    let Some(shell) = Shell::start() else { return };
    let path = |name| shell.directory.join(name);
    let (written, copied, read) = (path("written"), path("copied"), path("read"));
    write_bytes(&written, 42, LENGTH);
    shell.client(SCP).arg("-q").arg(&written).arg(shell.there(&copied)).succeed();
    assert_same(&written, &copied, LENGTH as u64);

    let (put, got) = (path("put"), path("got"));
    let (written, put_at, got_at) = (written.display(), put.display(), got.display());
    let batch = shell.directory.write("batch", format!("put {written} {put_at}\nget {put_at} {got_at}\n"));
    shell.client(SFTP).arg("-b").arg(batch).arg(shell.host()).succeed();
    assert_same(&copied, &put, LENGTH as u64);
    assert_same(&copied, &got, LENGTH as u64);

    shell.client(SCP).arg("-q").arg(shell.there(&got)).arg(&read).succeed();
    assert_same(&copied, &read, LENGTH as u64);
    shell.proxy.carried_all();
}
