//! What differs from run to run: what is spoken, how many there are, how members behave.

use crate::config::{Settings, parse};

use super::members::Temper;
use super::rng::Rng;

/// The port of the first member. Nobody listens there.
pub(super) const FIRST_PORT: u16 = 1000;

/// What differs from run to run.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) seed: u64,
    /// Members make no mistakes.
    pub(super) calm: bool,
    pub(super) clients: usize,
    /// Most links to each member.
    pub(super) cap: usize,
    pub(super) pipeline: u16,
    pub(super) all_methods: bool,
    pub(super) queue_max: usize,
    pub(super) rescue: &'static str,
    pub(super) rescue_budget: &'static str,
    pub(super) members: usize,
    /// Most bytes on their way to a client or a member at once.
    pub(super) room: usize,
    /// The options of the listener that say what is spoken.
    pub(super) speaks: String,
    pub(super) temper: Temper,
    /// Members refuse connections for a moment now and then, and restart.
    pub(super) refuses: bool,
}

impl Scene {
    /// Half of the runs are calm, so that depth can grow; the others are not.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(!seed);
        let calm = seed.is_multiple_of(2);
        let speaks = speaks(seed / 2, &mut rng);
        // Members of HTTP have more that they can do wrong.
        let faults = if speaks.starts_with(HTTP) { [40, 120, 300, 300] } else { [10, 40, 120, 300] };
        const PACES: [u64; 6] = [10_000, 10_000, 60_000, 20_000, 200_000, 1_500_000];
        Self {
            seed,
            calm,
            clients: rng.range(1, 30) as usize,
            cap: rng.range(1, 5) as usize,
            pipeline: rng.pick(&[1, 8, 32, 32]),
            all_methods: rng.one_in(4),
            queue_max: rng.pick(&[8, 100, 1000, 1000]),
            rescue: rng.pick(&["off", "2ms", "2ms", "10ms"]),
            rescue_budget: rng.pick(&["0%", "10%", "10%", "100%"]),
            members: rng.pick(&[1, 1, 2, 3]),
            room: rng.pick(&[700, 5_000, 64_000, 300_000]),
            speaks,
            temper: Temper {
                faults: if calm { 0 } else { rng.pick(&faults) },
                pace: if calm { rng.pick(&PACES[..3]) } else { rng.pick(&PACES) },
                hiccups: rng.pick(&[100, 300, 1000, 3000]),
                slow: rng.pick(&[1, 1, 800]),
                closes: false,
            },
            refuses: !calm && rng.one_in(2),
        }
    }

    /// One client and one member, who do nothing out of the ordinary.
    pub(super) fn tame() -> Self {
        Self {
            seed: 7,
            calm: true,
            clients: 1,
            cap: 1,
            pipeline: 1,
            all_methods: false,
            queue_max: 8,
            rescue: "off",
            rescue_budget: "10%",
            members: 1,
            room: 300_000,
            speaks: HTTP.to_owned(),
            temper: Temper { faults: 0, pace: 10_000, slow: 1, hiccups: u64::MAX, closes: false },
            refuses: false,
        }
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm
    }

    pub(super) fn settings(&self, members: usize) -> Settings {
        let all = self.all_methods && self.speaks.starts_with(HTTP);
        let methods = if all { "pipeline_methods: all" } else { "" };
        let list: Vec<_> =
            (0..members).map(|i| format!("m{i}: 127.0.0.1:{}", usize::from(FIRST_PORT) + i)).collect();
        let text = format!(
            "
admin: off
workers: 1
listeners:
  web:
    bind: 127.0.0.1:1
    {}
    backend: app
backends:
  app:
    links:
      max_per_member: {}
      pipeline: {}
      {methods}
      min_rate: off
      max_per_source: off
      rescue_after: {}
      rescue_budget: {}
      idle_timeout: 80ms
      connect_timeout: 200ms
    queue: {{ max: {}, timeout: 60ms }}
    response_timeout: 100ms
    members: {{ {} }}
",
            self.speaks,
            self.cap,
            self.pipeline,
            self.rescue,
            self.rescue_budget,
            self.queue_max,
            list.join(", ")
        );
        parse("simulation.yaml", &text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}")).settings
    }
}

const HTTP: &str = "protocol: http";

/// HTTP and Redis have more to them than the others.
fn speaks(turn: u64, rng: &mut Rng) -> String {
    let refusal = if rng.one_in(2) { ", refusal: \"hex:05736f7272790d0a\"" } else { "" };
    let repeatable = rng.one_in(2);
    let redis_refusal = if rng.one_in(2) { ", refusal: \"-ERR sorry\\r\\n\"" } else { "" };
    match turn % 8 {
        0 | 2 | 4 | 6 => format!("{HTTP}\n    request_buffer: {}", rng.pick(&["0B", "1KiB", "64KiB"])),
        1 => {
            let (end, longest) = (rng.pick(&["lf", "crlf"]), rng.pick(&["4KiB", "4KiB", "4KiB", "1MiB"]));
            format!(
                "protocol: lines\n    framing: {{ terminator: {end}, max_length: {longest}, repeatable: {repeatable}{refusal} }}"
            )
        }
        3 => {
            let (width, longest) = rng.pick(&[(1, "200B"), (2, "60000B"), (4, "1MiB"), (8, "1MiB")]);
            let (order, counts, offset) =
                (rng.pick(&["big", "little"]), rng.one_in(2), rng.pick(&[0, 0, 4, 11]));
            let refusal = if refusal.is_empty() {
                String::new()
            } else {
                prefixed_refusal(width, order, counts, offset)
            };
            format!(
                "protocol: length_prefixed\n    framing: {{ length_bytes: {width}, max_length: {longest}, \
                 byte_order: {order}, length_includes_header: {counts}, length_offset: {offset}, \
                 repeatable: {repeatable}{refusal} }}"
            )
        }
        _ => format!("protocol: resp\n    framing: {{ max_length: 1MiB{redis_refusal} }}"),
    }
}

/// A whole frame that says sorry.
fn prefixed_refusal(width: usize, order: &str, counts: bool, offset: usize) -> String {
    let content = b"sorry";
    let count = content.len() + if counts { offset + width } else { 0 };
    let mut header = vec![0; offset + width];
    let last = if order == "big" { offset + width - 1 } else { offset };
    header[last] = count as u8;
    let frame: String = header.iter().chain(content).map(|byte| format!("{byte:02x}")).collect();
    format!(", refusal: \"hex:{frame}\"")
}
