//! A recount: what every gauge must be while nobody is connected and nothing is under way, whatever happened before.
//!
//! It compares `/metrics` with the configuration in force and the kernel's list of connections. A gauge for which there is no rule
//! here is a fault, too.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use penstock::config::{Address, Backend, Links, Listener, MemberSettings, Settings};

/// The gauges of one scrape, and what tells what they must be.
struct Recount<'a> {
    gauges: Vec<Gauge<'a>>,
    settings: &'a Settings,
    /// How many connections to each address the kernel knows.
    connections: BTreeMap<SocketAddr, usize>,
    others: bool,
}

/// One series.
struct Gauge<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// The gauges that are not what they must be, in words. Where `others` connect to the members, too, links may be fewer than
/// the connections that the kernel knows.
pub(crate) fn faults(metrics: &str, settings: &Settings, others: bool) -> Vec<String> {
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" gauge"));
    let gauges: Vec<_> = types.flat_map(|name| series(metrics, name)).collect();
    assert!(gauges.len() > 10, "no scrape: {metrics}");
    let recount = Recount { gauges, settings, connections: connections(), others };
    recount.gauges.iter().filter_map(|gauge| recount.fault(gauge)).collect()
}

fn series<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = Gauge<'a>> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let labels = labels.trim_matches(['{', '}']).split(',').filter_map(|label| label.split_once('='));
        let labels = labels.map(|(label, value)| (label, value.trim_matches('"'))).collect();
        Some(Gauge { name, labels, value: value.parse().ok()? })
    })
}

impl Recount<'_> {
    /// What is wrong with it, in words.
    fn fault(&self, gauge: &Gauge<'_>) -> Option<String> {
        let must = match gauge.name {
            // Nobody is connected, and nothing is under way.
            "penstock_affinity_entries"
            | "penstock_backend_requests_in_flight"
            | "penstock_buffer_bytes"
            | "penstock_client_connections"
            | "penstock_member_sources"
            | "penstock_pool_waiting"
            | "penstock_requests_in_flight"
            | "penstock_worker_connections" => 0.0,
            // What stands is unused, and the kernel knows it, too.
            "penstock_backend_connections" => self.links(gauge)?,
            // Each worker has one reason.
            "penstock_backend_pipeline_depth_reason" => return self.depth_reason(gauge),
            "penstock_member_state" => return self.member_state(gauge),
            // What the configuration says.
            "penstock_backend_connections_limit" => self.member(gauge)?.0.links.cap().unwrap_or(0).into(),
            "penstock_member_weight" => self.member(gauge)?.1.weight.into(),
            "penstock_pool_waiting_limit" => self.waiting_limit(gauge)?,
            "penstock_client_connections_limit" => {
                self.listener(gauge)?.max_connections.map_or(0, |most| most.get()) as f64
            }
            "penstock_buffer_limit_bytes" => self.settings.buffer_budget as f64,
            "penstock_workers" => self.settings.workers.get() as f64,
            "penstock_build_info" | "penstock_config_info" => 1.0,
            // What cannot be counted again lies within its bounds.
            "penstock_backend_pipeline_depth_limit" => return self.depth_limit(gauge),
            "penstock_draining" => return gauge.unless(gauge.value == 0.0 || gauge.value == 1.0, "0 or 1"),
            "penstock_backend_service_time_seconds" => {
                return gauge.unless((0.0..3600.0).contains(&gauge.value), "a time");
            }
            "penstock_config_last_success_timestamp_seconds" => {
                return gauge.unless(gauge.value > 1.7e9, "a time since 1970");
            }
            name if name.starts_with("process_") => {
                return gauge.unless(gauge.value > 0.0, "more than 0");
            }
            _ => {
                return Some(format!(
                    "{gauge}: no rule says what it must be; tests/it/support/recount.rs wants one"
                ));
            }
        };
        gauge.unless(gauge.value == must, &must.to_string())
    }

    /// How many links there must be of this member in this state. Links to a Unix socket are not counted again.
    fn links(&self, gauge: &Gauge<'_>) -> Option<f64> {
        if gauge.label("state") != "idle" {
            return Some(0.0);
        }
        let Some((_, member)) = self.member(gauge) else { return Some(0.0) };
        let Address::Ip(address) = &member.address else { return None };
        // Where two members have one address, the kernel does not know whose a connection is.
        let same = |other: &&MemberSettings| other.address == member.address;
        let all = self.settings.backends.iter().flat_map(|backend| &backend.members).filter(same);
        let known = self.connections.get(address).copied().unwrap_or(0) as f64;
        let may_differ = all.count() > 1 || self.others && gauge.value <= known;
        (!may_differ).then_some(known)
    }

    fn depth_reason(&self, gauge: &Gauge<'_>) -> Option<String> {
        let all = self.sum(gauge, &["backend", "member"]);
        let workers = self.member(gauge).filter(|(backend, _)| backend.protocol.is_pooled());
        let workers = workers.map_or(0.0, |_| self.settings.workers.get() as f64);
        let right = all == workers && (0.0..=workers).contains(&gauge.value);
        gauge.unless(right, &format!("such that all reasons are {workers} together, not {all}"))
    }

    fn member_state(&self, gauge: &Gauge<'_>) -> Option<String> {
        let both = self.sum(gauge, &["backend", "member"]);
        let right = both == 1.0 && (gauge.value == 0.0 || gauge.value == 1.0);
        gauge.unless(right, &format!("1 for one state and 0 for the other; both are {both} together"))
    }

    fn depth_limit(&self, gauge: &Gauge<'_>) -> Option<String> {
        let (backend, _) = self.member(gauge)?;
        let most = if backend.protocol.is_pooled() { f64::from(most_in_flight(&backend.links)) } else { 0.0 };
        gauge.unless((0.0..=most).contains(&gauge.value), &format!("{most} at most"))
    }

    fn waiting_limit(&self, gauge: &Gauge<'_>) -> Option<f64> {
        let backend =
            self.settings.backends.iter().find(|backend| *backend.name == *gauge.label("backend"))?;
        Some((backend.queue.max * backend.members.len()) as f64)
    }

    /// The member that it is about, if it is configured (still).
    fn member(&self, gauge: &Gauge<'_>) -> Option<(&Backend, &MemberSettings)> {
        let backend =
            self.settings.backends.iter().find(|backend| *backend.name == *gauge.label("backend"))?;
        Some((backend, backend.members.iter().find(|member| *member.name == *gauge.label("member"))?))
    }

    fn listener(&self, gauge: &Gauge<'_>) -> Option<&Listener> {
        let listeners = self.settings.listeners.iter();
        listeners.map(|listener| &**listener).find(|listener| *listener.name == *gauge.label("listener"))
    }

    /// The sum of all series of the same name that agree with it in these labels.
    fn sum(&self, gauge: &Gauge<'_>, labels: &[&str]) -> f64 {
        let alike = |other: &&Gauge<'_>| {
            other.name == gauge.name && labels.iter().all(|label| other.label(label) == gauge.label(label))
        };
        self.gauges.iter().filter(alike).map(|other| other.value).sum()
    }
}

fn most_in_flight(links: &Links) -> u16 {
    links.pipeline.get()
}

impl Gauge<'_> {
    fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| *label == name).map_or("", |(_, value)| value)
    }

    fn unless(&self, right: bool, must: &str) -> Option<String> {
        (!right).then(|| format!("{self}, must be {must}"))
    }
}

impl std::fmt::Display for Gauge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?} is {}", self.name, self.labels, self.value)
    }
}

/// How many connections this host has to each address, of those that some process holds.
fn connections() -> BTreeMap<SocketAddr, usize> {
    const LISTENS: &str = "0A";
    let mut found = BTreeMap::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = std::fs::read_to_string(path).unwrap_or_default();
        for line in table.lines().skip(1) {
            let words: Vec<_> = line.split_whitespace().collect();
            let [_, _, remote, state, _, _, _, _, _, inode, ..] = words[..] else { continue };
            if state != LISTENS && inode != "0" {
                *found.entry(address(remote)).or_default() += 1;
            }
        }
    }
    found
}

/// An address as the kernel writes it: words of four bytes in the order of the machine, and the port.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').unwrap();
    let word = |at: usize| u32::from_str_radix(&ip[8 * at..8 * at + 8], 16).unwrap().to_ne_bytes();
    let port = u16::from_str_radix(port, 16).unwrap();
    match ip.len() {
        8 => (word(0), port).into(),
        _ => {
            let words = [word(0), word(1), word(2), word(3)].concat();
            <[u8; 16]>::try_from(words).map(|ip| (ip, port).into()).unwrap()
        }
    }
}
