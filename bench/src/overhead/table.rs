//! Writes an outcome as text for a terminal.

use std::fmt::Write;

use super::leg::Side;
use super::legs::{Limit, Role};
use super::outcome::Outcome;
use super::units::{bytes, signed_time, three, time, whole};

pub(crate) const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
pub(crate) const UNKNOWN: &str = "?";

/// Returns the whole text. Writing to a string cannot fail.
pub(crate) fn text(outcome: &Outcome) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "What the proxy costs ({}, {})\n", outcome.proxy, outcome.protocol);
    let _ = writeln!(out, "direct     {}", outcome.direct);
    let _ = writeln!(out, "proxied    {}", outcome.proxied);
    let machine = &outcome.machine;
    let _ = writeln!(out, "machine    {} CPUs, {}, Linux {}", machine.cpus, machine.model, machine.kernel);
    capacity(outcome, &mut out);
    latency(outcome, &mut out);
    costs(outcome, &mut out);
    let _ = writeln!(
        out,
        "\n{} answers, each checked: {} wrong, lost or refused",
        whole(outcome.answered() as f64),
        whole(outcome.faults() as f64)
    );
    if let Some((proxy, generator)) = outcome.counted() {
        let difference = (proxy / generator - 1.0) * 100.0;
        let _ = writeln!(
            out,
            "The proxy counted {} requests, the generator {} ({difference:+.2} %)",
            whole(proxy),
            whole(generator)
        );
    }
    out.push('\n');
    for warning in outcome.warnings() {
        let _ = writeln!(out, "! {warning}");
    }
    for note in outcome.notes() {
        let _ = writeln!(out, "- {note}");
    }
    out
}

fn capacity(outcome: &Outcome, out: &mut String) {
    let _ = writeln!(
        out,
        "\nCapacity (closed loop: each connection asks again when it has its answer), requests/s\n"
    );
    let _ = writeln!(
        out,
        "{:>11}  {:>10}  {:>10}  {:>21}  {:>12}  {:>10}  {:>10}",
        "connections", "direct", "proxied", "ratio (95 %)", "p99 proxied", "limit", "ceiling"
    );
    for capacity in &outcome.capacity {
        let legs = &capacity.legs;
        let ratio = legs.ratio().map_or_else(
            || UNKNOWN.to_owned(),
            |ratio| format!("{:.2} ({:.2} to {:.2})", ratio.mean, ratio.low, ratio.high),
        );
        let side = |side| {
            let mark = if outcome.limit(capacity, side) == Limit::Generator { "*" } else { " " };
            format!("{}{mark}", whole(legs.rate(side)))
        };
        let ceiling = outcome.ceiling(capacity.connections);
        let _ = writeln!(
            out,
            "{:>11}  {:>10}  {:>10}  {ratio:>21}  {:>12}  {:>10}  {:>10}",
            capacity.connections,
            side(Side::Direct),
            side(Side::Proxied),
            time(legs.quantile(Side::Proxied, 0.99)),
            outcome.limit(capacity, Side::Proxied).word(),
            ceiling.map_or_else(|| UNKNOWN.to_owned(), |ceiling| whole(ceiling.per_second)),
        );
    }
}

fn latency(outcome: &Outcome, out: &mut String) {
    let legs = &outcome.latency;
    if legs.0.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\nLatency (open loop: {} requests/s on {} connections, counted from the intended time)\n",
        whole(outcome.rate),
        outcome.clients
    );
    let _ = writeln!(out, "{:>11}  {:>10}  {:>10}  {:>10}  95 % interval", "", "direct", "proxied", "added");
    for (name, share) in QUANTILES {
        let (mean, interval) = legs.added(share).map_or_else(
            || (UNKNOWN.to_owned(), String::new()),
            |added| {
                (
                    signed_time(added.mean),
                    format!("{} to {}", signed_time(added.low), signed_time(added.high)),
                )
            },
        );
        let _ = writeln!(
            out,
            "{name:>11}  {:>10}  {:>10}  {mean:>10}  {interval}",
            time(legs.quantile(Side::Direct, share)),
            time(legs.quantile(Side::Proxied, share)),
        );
    }
    if let (Some(half), Some(late)) = (legs.lateness(0.5), legs.lateness(0.99)) {
        let _ = writeln!(
            out,
            "{:>11}  the generator itself was {} late (p50), {} (p99)",
            "",
            time(half),
            time(late)
        );
    }
}

/// The loads whose costs are shown: the closed loop with most to say, and the open loop.
fn costs(outcome: &Outcome, out: &mut String) {
    let _ =
        writeln!(out, "\n{:<34}  {:>10}  {:>10}  {:>10}  {:>10}", "Costs", "closed", "loop", "open", "loop");
    let _ =
        writeln!(out, "{:<34}  {:>10}  {:>10}  {:>10}  {:>10}", "", "direct", "proxied", "direct", "proxied");
    let none = super::legs::Legs::default();
    let closed = outcome.main_capacity().map_or(&none, |capacity| &capacity.legs);
    let mut row = |name: &str, cell: &dyn Fn(&super::legs::Legs, Side) -> Option<String>| {
        let cells = [closed, &outcome.latency].map(|legs| {
            [Side::Direct, Side::Proxied].map(|side| {
                let known = (!legs.0.is_empty()).then(|| cell(legs, side)).flatten();
                known.unwrap_or_else(|| UNKNOWN.to_owned())
            })
        });
        let [[a, b], [c, d]] = cells;
        let _ = writeln!(out, "{name:<34}  {a:>10}  {b:>10}  {c:>10}  {d:>10}");
    };
    for (name, role) in [("proxy", Role::Proxy), ("origin", Role::Origin), ("generator", Role::Generator)] {
        row(&format!("CPU ms per 1,000 requests, {name}"), &|legs, side| match (side, role) {
            (Side::Direct, Role::Proxy) => Some("-".to_owned()),
            _ => legs.cpu_per_1000(side, role).map(|seconds| three(seconds * 1e3)),
        });
    }
    for (name, role) in [("proxy", Role::Proxy), ("origin", Role::Origin)] {
        row(&format!("memory, {name}"), &|legs, side| match (side, role) {
            (Side::Direct, Role::Proxy) => Some("-".to_owned()),
            _ => legs.memory(side, role).map(|resident| bytes(resident as f64)),
        });
    }
    row("bytes/s, clients send", &|legs, side| Some(bytes(legs.client_bytes(side).0)));
    row("bytes/s, clients receive", &|legs, side| Some(bytes(legs.client_bytes(side).1)));
    let proxied = |side, text: Option<String>| if side == Side::Direct { Some("-".to_owned()) } else { text };
    row("bytes/s, proxy sends to origin", &|legs, side| {
        proxied(side, legs.member_bytes().map(|both| bytes(both.0)))
    });
    row("bytes/s, proxy receives from origin", &|legs, side| {
        proxied(side, legs.member_bytes().map(|both| bytes(both.1)))
    });
    row("connections of clients to the proxy", &|legs, side| {
        proxied(side, legs.connections().map(|both| whole(both.0)))
    });
    row("connections of the proxy to origin", &|legs, side| {
        proxied(side, legs.connections().map(|both| whole(both.1)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overhead::outcome::tests::outcome;

    #[test]
    fn the_text_has_each_figure_in_its_row() {
        let text = text(&outcome());
        let row = |name: &str| {
            let row = text.lines().find(|line| line.trim_start().starts_with(name));
            row.unwrap_or_else(|| panic!("no {name} in\n{text}")).split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(row("64 ")[..4], ["64", "1,000", "700", "0.69"]);
        assert_eq!(row("p50")[..7], ["p50", "100", "µs", "150", "µs", "+55.0", "µs"]);
        assert_eq!(row("CPU ms per 1,000 requests, proxy")[6..], ["-", "571", "-", "571"]);
        assert_eq!(row("connections of clients to the proxy")[6..], ["-", "8", "-", "8"]);
        assert!(text.contains("10,200 answers, each checked: 0 wrong, lost or refused"), "{text}");
        assert!(text.contains("(+0.00 %)"), "{text}");
    }
}
