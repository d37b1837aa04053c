//! Names the proxies that can be compared, and finds their programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scenario::Mode;
use crate::failure::Failure;

/// A proxy, or a way to set one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// No proxy: the generator meets the origin.
    Direct,
    Penstock,
    /// penstock by whose operator's word the members keep the order of pipelined requests, so that a link carries several.
    Pipelined,
    /// Another build of penstock, such as the last release.
    Before,
    Nginx,
    Haproxy,
    /// HAProxy with few connections for each server: requests wait rather than open more.
    HaproxyFew,
    Envoy,
    Caddy,
    Pingora,
    /// The proxy of Redis, whose program is `nutcracker`.
    Twemproxy,
}

/// The requests in flight on a link of [`Peer::Pipelined`].
pub(crate) const PIPELINE: u32 = 32;

/// The connections to each server of [`Peer::HaproxyFew`].
pub(crate) const FEW: u32 = 32;

/// A program that was found in this run.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) peer: Peer,
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

impl Peer {
    pub(crate) const ALL: [Self; 11] = [
        Self::Direct,
        Self::Penstock,
        Self::Pipelined,
        Self::Before,
        Self::Nginx,
        Self::Haproxy,
        Self::HaproxyFew,
        Self::Envoy,
        Self::Caddy,
        Self::Pingora,
        Self::Twemproxy,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Penstock => "penstock",
            Self::Pipelined => "penstock-pipelined",
            Self::Before => "penstock-before",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::HaproxyFew => "haproxy-few",
            Self::Envoy => "envoy",
            Self::Caddy => "caddy",
            Self::Pingora => "pingora",
            Self::Twemproxy => "twemproxy",
        }
    }

    /// Returns the peer of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Returns the variable that names the program, and the program's usual name.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Direct | Self::Penstock | Self::Pipelined => ("PENSTOCK_BIN", "penstock"),
            Self::Before => ("PENSTOCK_BEFORE_BIN", "penstock-before"),
            Self::Nginx => ("NGINX_BIN", "nginx"),
            Self::Haproxy | Self::HaproxyFew => ("HAPROXY_BIN", "haproxy"),
            Self::Envoy => ("ENVOY_BIN", "envoy"),
            Self::Caddy => ("CADDY_BIN", "caddy"),
            Self::Pingora => ("PINGORA_BIN", "pingora-lb"),
            Self::Twemproxy => ("NUTCRACKER_BIN", "nutcracker"),
        }
    }

    /// Returns whether this is another setup of a program that is compared anyway.
    pub(crate) fn is_a_setup(self) -> bool {
        matches!(self, Self::Pipelined | Self::HaproxyFew)
    }

    /// Returns whether this is penstock, in whatever setup or build.
    pub(crate) fn is_penstock(self) -> bool {
        matches!(self, Self::Penstock | Self::Pipelined | Self::Before)
    }

    /// Returns whether it can be set up for these requests.
    pub(crate) fn can(self, mode: Mode) -> bool {
        match self {
            Self::Direct | Self::Penstock | Self::Before => true,
            Self::Nginx => matches!(mode, Mode::Http | Mode::Tcp | Mode::Resp),
            Self::Haproxy => matches!(mode, Mode::Http | Mode::Tcp | Mode::Lines | Mode::Resp),
            Self::Pipelined | Self::HaproxyFew | Self::Caddy => mode == Mode::Http,
            Self::Envoy | Self::Pingora => matches!(mode, Mode::Http | Mode::Tcp),
            Self::Twemproxy => mode == Mode::Resp,
        }
    }

    /// Finds its program; `Err` says where it was looked for.
    pub(crate) fn find(self) -> Result<Found, String> {
        let (variable, name) = self.program();
        let program = find(variable, name)?;
        let version = match self {
            Self::Direct => String::new(),
            Self::Nginx | Self::Haproxy | Self::HaproxyFew => first_line(&program, "-v"),
            Self::Caddy => first_line(&program, "version"),
            // A balancer of some lines around the crate; nobody gave it a version.
            Self::Pingora => "pingora-lb".to_owned(),
            Self::Penstock | Self::Pipelined | Self::Before | Self::Envoy | Self::Twemproxy => {
                first_line(&program, "--version")
            }
        };
        Ok(Found { peer: self, program, version })
    }
}

/// Finds a program: named by a variable, beside this one, on `PATH`, or in `/usr/sbin`.
pub(crate) fn find(variable: &str, name: &str) -> Result<PathBuf, String> {
    if let Some(given) = env::var_os(variable).filter(|given| !given.is_empty()) {
        let path = PathBuf::from(given);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("{variable}={}: there is no such file", path.display()))
        };
    }
    let beside = env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(env::split_paths(&path)).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        format!("{name} is neither on PATH nor beside penstock-bench, and {variable} does not name it")
    })
}

/// Finds a program of this project.
pub(crate) fn find_own(variable: &str, name: &str) -> Result<PathBuf, Failure> {
    find(variable, name)
        .map_err(|why| Failure::Machine(format!("{why}; `cargo build --release -p {name}` builds it")))
}

/// Returns the first line that a program says to this option.
fn first_line(program: &Path, option: &str) -> String {
    let Ok(told) = Command::new(program).arg(option).output() else { return "?".to_owned() };
    let text = [told.stdout, told.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("?");
    // HAProxy goes on with its address.
    line.split(" - ").next().unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for peer in Peer::ALL {
            assert_eq!(Peer::of(peer.name()), Some(peer));
        }
        assert_eq!(Peer::of("varnish"), None);
    }

    #[test]
    fn a_program_is_found_on_the_path_or_missed_in_words() {
        assert!(find("PENSTOCK_BENCH_NO_SUCH_VARIABLE", "sh").unwrap().is_file());
        let why = find("PENSTOCK_BENCH_NO_SUCH_VARIABLE", "no-such-proxy").unwrap_err();
        assert!(why.contains("no-such-proxy") && why.contains("PENSTOCK_BENCH_NO_SUCH_VARIABLE"), "{why}");
    }
}
