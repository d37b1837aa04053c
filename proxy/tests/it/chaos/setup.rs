//! Draws configurations of the same four ways through the proxy: other names, other caps, fewer members, other logs.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::support::splitmix::Random;

/// Where everybody is. The ports were the kernel's choice, so that they can be named again at each reload.
pub(crate) struct Places {
    pub(crate) admin: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) resp: SocketAddr,
    pub(crate) lines: SocketAddr,
    pub(crate) tcp: SocketAddr,
    /// Two members for each of HTTP, lines and TCP, and the one Redis.
    pub(crate) members: Vec<(Kind, SocketAddr)>,
}

/// What a member speaks, and to whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Http,
    Lines,
    /// Lines, too; the proxy does not know that.
    Tcp,
    Redis,
}

impl Places {
    pub(crate) fn choose() -> Self {
        // All are bound at the same time, so that they differ.
        let bound: Vec<_> = (0..12).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let mut all = bound.iter().map(|socket| socket.local_addr().unwrap());
        let mut next = || all.next().unwrap();
        let kinds = [Kind::Http, Kind::Http, Kind::Lines, Kind::Lines, Kind::Tcp, Kind::Tcp, Kind::Redis];
        Self {
            admin: next(),
            http: next(),
            resp: next(),
            lines: next(),
            tcp: next(),
            members: kinds.map(|kind| (kind, next())).into(),
        }
    }
}

/// One configuration.
pub(crate) struct Shape<'a> {
    places: &'a Places,
    directory: PathBuf,
    /// Names end in this.
    generation: u64,
    links: u64,
    waiting: u64,
    affinity: &'static str,
    /// Of each two members one is missing.
    missing: Option<usize>,
    log: Option<&'static str>,
    longest: &'static str,
}

impl<'a> Shape<'a> {
    /// What there is at the beginning and at the end.
    pub(crate) fn whole(places: &'a Places, directory: &Path) -> Self {
        Self {
            places,
            directory: directory.to_owned(),
            generation: 0,
            links: 16,
            waiting: 1000,
            affinity: "source",
            missing: None,
            log: None,
            longest: "64KiB",
        }
    }

    pub(crate) fn draw(places: &'a Places, directory: &Path, random: &mut Random) -> Self {
        let mut pick = |n: usize| random.below(n);
        Self {
            generation: pick(3) as u64,
            links: [1, 2, 3, 8, 16, 64][pick(6)],
            waiting: [2, 20, 1000][pick(3)],
            affinity: ["source", "none", "source/24"][pick(3)],
            missing: [None, Some(0), Some(1)][pick(3)],
            log: [None, Some("access.log"), Some("/dev/full")][pick(3)],
            longest: ["64KiB", "65KiB"][pick(2)],
            ..Self::whole(places, directory)
        }
    }

    pub(crate) fn text(&self) -> String {
        let Places { admin, http, resp, lines, tcp, .. } = self.places;
        let Self { generation, links, waiting, affinity, longest, .. } = self;
        let mut text = format!("admin: {admin}\nworkers: 2\ndrain_timeout: 5s\nlisteners:\n");
        let log = self.log.map_or_else(String::new, |to| {
            format!(", access_log: {{ to: \"{}\" }}", self.directory.join(to).display())
        });
        let mut listener = |name: &str, bind: &SocketAddr, protocol: &str, more: &str| {
            writeln!(
                text,
                "  {name}{generation}: {{ bind: \"{bind}\", protocol: {protocol}, backend: {name}-{generation}{more} }}"
            )
            .unwrap();
        };
        listener("http", http, "http", &log);
        listener("resp", resp, "resp", "");
        let framing =
            format!(", framing: {{ max_length: {longest}, repeatable: true, refusal: \"{REFUSAL}\" }}");
        listener("lines", lines, "lines", &framing);
        listener("tcp", tcp, "tcp", "");
        text.push_str("backends:\n");
        for (name, kind) in
            [("http", Kind::Http), ("resp", Kind::Redis), ("lines", Kind::Lines), ("tcp", Kind::Tcp)]
        {
            writeln!(text, "  {name}-{generation}:\n    affinity: {{ key: {affinity} }}").unwrap();
            let cap = if kind == Kind::Tcp { *links + 16 } else { *links };
            writeln!(
                text,
                "    links: {{ max_per_member: {cap} }}\n    queue: {{ max: {waiting}, timeout: 10s }}"
            )
            .unwrap();
            text.push_str("    members:\n");
            let members = self.places.members.iter().filter(|(of, _)| *of == kind).enumerate();
            for (number, (_, address)) in
                members.filter(|(number, _)| kind == Kind::Redis || self.missing != Some(*number))
            {
                writeln!(text, "      m{number}: \"{address}\"").unwrap();
            }
        }
        text
    }
}

/// What a client of lines gets where there is no answer, as the configuration writes it.
const REFUSAL: &str = "ERR busy\\n";
