//! A PostgreSQL server of a test's own, and its own clients.

use std::net::SocketAddr;

use rustix::process::{Signal, getuid};

use crate::real::pgwire::Pg;
use crate::support::child::{Child, Run, User};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::{Program, are_here};

const INITDB: Program = Program::new("initdb", "postgresql");
const POSTGRES: Program = Program::new("postgres", "postgresql");
const PGBENCH: Program = Program::new("pgbench", "postgresql");
const PSQL: Program = Program::new("psql", "postgresql-client");

/// A server that runs, whose clients may come from all of 127.0.0.0/8.
pub(crate) struct Postgres {
    pub(crate) child: Child,
    pub(crate) at: SocketAddr,
    pub(crate) directory: Directory,
}

impl Postgres {
    /// `None` where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// With more arguments.
    pub(crate) fn start_with(more: &str) -> Option<Self> {
        are_here(&[INITDB, POSTGRES, PGBENCH, PSQL]).then(|| Self::started(more))
    }

    fn started(more: &str) -> Self {
        let directory = Directory::of(user(), "pg");
        let data = directory.join("data");
        let initdb = Run::as_user(INITDB, directory.path(), user()).arg("-D").arg(&data);
        initdb.args("-U postgres -A trust -E UTF8 --locale=C --no-sync --wal-segsize=4").succeed();
        std::fs::write(data.join("pg_hba.conf"), "local all all trust\nhost all all 127.0.0.0/8 trust\n")
            .unwrap();

        let at = own_address();
        let run = Run::as_user(POSTGRES, directory.path(), user()).arg("-D").arg(&data);
        let run = run.args(&format!("-p {} -c listen_addresses={}", at.port(), at.ip()));
        let run = run.arg("-c").arg(format!("unix_socket_directories={}", directory.path().display()));
        let mut child =
            run.args("-c fsync=off -c log_connections=on").args(more).ended_by(Signal::QUIT).start();
        child.until_it_says("ready to accept connections");
        Self { child, at, directory }
    }

    /// Its socket on the file system.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.directory.join(&format!(".s.PGSQL.{}", self.at.port()))
    }

    /// `psql` to this host (an IP address or a directory) and port.
    pub(crate) fn psql(&self, host: &str, port: u16) -> Run {
        client(PSQL, &self.directory, host, port).args("-X -A -t -q -v ON_ERROR_STOP=1")
    }

    pub(crate) fn psql_at(&self, at: SocketAddr) -> Run {
        self.psql(&at.ip().to_string(), at.port())
    }

    pub(crate) fn pgbench_at(&self, at: SocketAddr) -> Run {
        client(PGBENCH, &self.directory, &at.ip().to_string(), at.port())
    }

    /// What the server answers when it is asked without the proxy.
    #[track_caller]
    pub(crate) fn ask(&self, sql: &str) -> String {
        Pg::connect([127, 0, 0, 1], self.at).ask(sql).unwrap()
    }

    /// How many of its clients wait in `pg_sleep`.
    pub(crate) fn sleepers(&self) -> usize {
        let sleeping = "state = 'active' and wait_event = 'PgSleep'";
        self.ask(&format!("select count(*) from pg_stat_activity where {sleeping}")).parse().unwrap()
    }

    #[track_caller]
    pub(crate) fn until_sleepers(&self, wanted: usize) {
        eventually("so many sleep", || self.sleepers() == wanted);
    }
}

fn client(program: Program, directory: &Directory, host: &str, port: u16) -> Run {
    let run = Run::new(program, directory.path()).env("PGHOST", host).env("PGPORT", port.to_string());
    run.env("PGUSER", "postgres").env("PGDATABASE", "postgres").env("PGCONNECT_TIMEOUT", "30")
}

/// The server refuses to be root: it is `postgres` then, whom Debian's package makes, or `nobody`.
fn user() -> Option<User> {
    if !getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
        Some(User { uid: numbers.next()?, gid: numbers.next()? })
    };
    find("postgres").or_else(|| find("nobody"))
}
