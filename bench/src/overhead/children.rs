//! Starts the origin and the proxy that come with the generator, as processes of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use penstock_bench::{Prefix, Protocol};

use super::leg::Parties;
use super::scrape::Metrics;
use crate::failure::Failure;
use crate::program::{Folder, Program};
use crate::{places, sockets};

/// What the user may decide about them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) protocol: Option<Protocol>,
    pub(crate) penstock: Option<PathBuf>,
    pub(crate) origin: Option<PathBuf>,
    /// 0 lets the kernel choose.
    pub(crate) proxy_port: u16,
    pub(crate) origin_port: u16,
    pub(crate) workers: usize,
    pub(crate) origin_threads: usize,
}

/// Both processes and their files, which end with this value.
pub(crate) struct Children {
    pub(crate) origin: SocketAddr,
    pub(crate) proxy: SocketAddr,
    pub(crate) parties: Parties,
    pub(crate) version: String,
    /// The proxy first, so that it ends first.
    _programs: [Program; 2],
    _folder: Folder,
}

impl Children {
    /// Starts both and waits until they listen. `say` is told what takes time.
    pub(crate) fn start(wishes: &Wishes, say: &dyn Fn(&str)) -> Result<Self, Failure> {
        let protocol = wishes.protocol.unwrap_or(Protocol::Http);
        let [origin, proxy, admin] = sockets::free_ports([wishes.origin_port, wishes.proxy_port, 0])?;
        let penstock = program("penstock", wishes.penstock.as_deref(), say)?;
        let (folder, cpus) = (Folder::new()?, places::allowed()?);
        let behind = origin_command(protocol, origin, wishes, say)?;
        let ready = || sockets::is_listening(origin.port());
        let behind = Program::start("origin", behind, &cpus, &folder, &ready)?;
        let text = configuration(protocol, origin, proxy, admin, wishes.workers);
        let mut command = Command::new(&penstock);
        command.arg("run").arg("--config").arg(folder.write("penstock.yaml", &text)?);
        let ready = || sockets::is_listening(proxy.port());
        let front = Program::start("penstock", command, &cpus, &folder, &ready)?;
        let parties = Parties {
            origin: Some(behind.party().clone()),
            proxy: Some(front.party().clone()),
            metrics: Some(Metrics { to: admin, path: "/metrics".to_owned() }),
        };
        let version = version(&penstock);
        Ok(Self { origin, proxy, parties, version, _programs: [front, behind], _folder: folder })
    }
}

fn machine(words: String) -> Failure {
    Failure::Machine(words)
}

/// Returns the path of a program: the given one, or the one beside this program, which is built if it can be.
fn program(name: &str, given: Option<&Path>, say: &dyn Fn(&str)) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return if path.is_file() {
            Ok(path.to_owned())
        } else {
            Err(machine(format!("{}: there is no such program", path.display())))
        };
    }
    let own = std::env::current_exe().map_err(|error| machine(error.to_string()))?;
    let folder = own.parent().unwrap_or_else(|| Path::new("."));
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let hint = format!("put it beside {}, or name it with an option", own.display());
    let Some((root, release)) = workspace(folder) else {
        return Err(machine(format!("there is no {}; {hint}", path.display())));
    };
    say(&format!(
        "{name} is not built yet: cargo build{} -p {name}",
        if release { " --release" } else { "" }
    ));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--quiet", "-p", name]).stdin(Stdio::null());
    if release {
        cargo.arg("--release");
    }
    match cargo.status() {
        Ok(status) if status.success() && path.is_file() => Ok(path),
        Ok(status) => Err(machine(format!("{name} could not be built ({status}); {hint}"))),
        Err(error) => Err(machine(format!("{name} could not be built (cargo: {error}); {hint}"))),
    }
}

/// Returns the root of the repository if `folder` is where cargo builds it, and whether it is a release build.
fn workspace(folder: &Path) -> Option<(PathBuf, bool)> {
    let root = folder.parent()?.parent()?;
    let found = root.join("Cargo.toml").is_file() && root.join("bench/Cargo.toml").is_file();
    found.then(|| (root.to_owned(), folder.ends_with("release")))
}

fn version(penstock: &Path) -> String {
    let output = Command::new(penstock).arg("--version").output();
    output
        .map_or_else(|_| "penstock".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

fn origin_command(
    protocol: Protocol,
    address: SocketAddr,
    wishes: &Wishes,
    say: &dyn Fn(&str),
) -> Result<Command, Failure> {
    if protocol == Protocol::Resp {
        let given = wishes.origin.clone().unwrap_or_else(|| "redis-server".into());
        let mut redis = Command::new(given);
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        redis.args(["--bind", &ip, "--port", &port, "--save", "", "--appendonly", "no"]);
        return Ok(redis);
    }
    let speaks = match protocol {
        Protocol::Lines { crlf } => format!("lines:{}", if crlf { "crlf" } else { "lf" }),
        Protocol::LengthPrefixed(prefix) => {
            let order = if prefix.little_endian { "le" } else { "be" };
            let header = if prefix.includes_header { ",header" } else { "" };
            format!("length-prefixed:{}{order}{header},offset={}", prefix.length_bytes, prefix.offset)
        }
        Protocol::Echo => "echo".to_owned(),
        _ => "http".to_owned(),
    };
    let mut origin = Command::new(program("penstock-origin", wishes.origin.as_deref(), say)?);
    origin.args(["--listen", &format!("a={address}"), "--speaks", &speaks]);
    origin.args(["--threads", &wishes.origin_threads.max(1).to_string()]);
    Ok(origin)
}

/// Returns the configuration of the proxy: the defaults, apart from addresses and protocol.
fn configuration(
    protocol: Protocol,
    origin: SocketAddr,
    proxy: SocketAddr,
    admin: SocketAddr,
    workers: usize,
) -> String {
    let (name, framing) = match protocol {
        Protocol::Http => ("http", String::new()),
        Protocol::Lines { crlf } => {
            let end = if crlf { "crlf" } else { "lf" };
            ("lines", format!("    framing: {{ terminator: {end} }}\n"))
        }
        Protocol::LengthPrefixed(prefix) => ("length_prefixed", layout(prefix)),
        Protocol::Resp => ("resp", String::new()),
        Protocol::Echo => ("tcp", String::new()),
    };
    let workers = if workers == 0 { "auto".to_owned() } else { workers.to_string() };
    format!(
        "admin: {admin}\nworkers: {workers}\nlisteners:\n  bench:\n    bind: {proxy}\n    protocol: {name}\n    \
         backend: origin\n{framing}backends:\n  origin:\n    members:\n      a: {origin}\n"
    )
}

fn layout(prefix: Prefix) -> String {
    let order = if prefix.little_endian { "little" } else { "big" };
    format!(
        "    framing: {{ length_offset: {}, length_bytes: {}, byte_order: {order}, length_includes_header: {} }}\n",
        prefix.offset, prefix.length_bytes, prefix.includes_header
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_in_use_is_told_before_anything_starts() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let wishes = Wishes { proxy_port: port, ..Wishes::default() };
        let failure = Children::start(&wishes, &|_| panic!("nothing is built")).err().unwrap();
        assert_eq!(failure.status(), 4);
        assert!(failure.to_string().contains(&format!("port {port} is in use")), "{failure}");
    }

    #[test]
    fn the_configuration_names_the_layout_of_frames() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let text = |protocol| configuration(protocol, address(1), address(2), address(3), 0);
        let http = text(Protocol::Http);
        assert!(
            http.contains("workers: auto")
                && http.contains("bind: 127.0.0.1:2")
                && http.contains("a: 127.0.0.1:1")
        );
        let prefix = Prefix { length_bytes: 2, little_endian: true, includes_header: true, offset: 3 };
        let layout =
            "{ length_offset: 3, length_bytes: 2, byte_order: little, length_includes_header: true }";
        assert!(text(Protocol::LengthPrefixed(prefix)).contains(layout));
        assert!(text(Protocol::Lines { crlf: true }).contains("terminator: crlf"));
    }

    #[test]
    fn only_a_folder_of_cargo_is_built_in() {
        assert_eq!(workspace(Path::new("/usr/bin")), None);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert_eq!(workspace(&root.join("target/release")), Some((root.to_owned(), true)));
        assert_eq!(workspace(&root.join("target/debug")), Some((root.to_owned(), false)));
    }
}
