//! Writes an outcome as one HTML page, which needs nothing from elsewhere.

use std::fmt::Write;
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::json::shares;
use super::leg::Side;
use super::legs::{Legs, Limit, Role};
use super::outcome::Outcome;
use super::plot::{Axis, Bar, Series, Tick, bars, curves, escape};
use super::table::{QUANTILES, UNKNOWN};
use super::units::{bytes, signed_time, three, time, whole};
use crate::machine;

const STYLE: &str = include_str!("page.css");

/// Returns the page. `document` is the outcome as JSON, which the page carries for programs.
pub(crate) fn page(outcome: &Outcome, document: &Value) -> String {
    let title = format!("What {} costs", outcome.proxy);
    // The text of a script may not hold the end of a script.
    let data = document.to_string().replace("</", "<\\/");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n{1}{2}{3}{4}{5}{6}{7}{8}</main>\n\
         <script type=\"application/json\" id=\"figures\">{data}</script>\n</body>\n</html>\n",
        escape(&title),
        head(outcome),
        warnings(outcome),
        tiles(outcome),
        plots(outcome),
        latency(outcome),
        capacity(outcome),
        costs(outcome),
        reading(outcome),
    )
}

fn head(outcome: &Outcome) -> String {
    let machine = &outcome.machine;
    format!(
        "<p>The same {} requests went directly to the origin and through the proxy, leg by leg in turn. All {} answers \
         were checked{}.</p>\n<p class=\"soft\">{} → direct: {} · proxied: {}<br>{} CPUs, {}, Linux {} · {}</p>\n",
        if outcome.protocol == "http" { "HTTP" } else { outcome.protocol },
        whole(outcome.answered() as f64),
        match outcome.faults() {
            0 => ", and all were right".to_owned(),
            faults => format!("; <b class=\"bad\">{} failed</b>", whole(faults as f64)),
        },
        "penstock-bench overhead",
        escape(&outcome.direct),
        escape(&outcome.proxied),
        machine.cpus,
        escape(&machine.model),
        escape(&machine.kernel),
        date(outcome),
    )
}

/// Returns the day and the time in UTC.
fn date(outcome: &Outcome) -> String {
    let seconds = outcome.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{} {:02}:{:02} UTC", machine::date(outcome.began), seconds / 3600 % 24, seconds / 60 % 60)
}

/// Returns a box with what spoils the figures, if anything does.
fn warnings(outcome: &Outcome) -> String {
    let warnings: String =
        outcome.warnings().iter().map(|warning| format!("<li>{}</li>\n", escape(warning))).collect();
    match warnings.is_empty() {
        true => String::new(),
        false => {
            format!("<div class=\"care\"><b>Read these figures with care</b><ul>\n{warnings}</ul></div>\n")
        }
    }
}

fn tiles(outcome: &Outcome) -> String {
    let mut out = String::from("<div class=\"tiles\">\n");
    let mut tile = |value: String, words: String| {
        let _ = writeln!(
            out,
            "<div class=\"tile\"><b>{}</b><span>{}</span></div>",
            escape(&value),
            escape(&words)
        );
    };
    let legs = &outcome.latency;
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        if let Some(added) = legs.added(share) {
            let range = match added.is_significant() {
                true => format!("{} to {}", signed_time(added.low), signed_time(added.high)),
                false => "no difference beyond chance".to_owned(),
            };
            tile(
                signed_time(added.mean),
                format!("added latency, {name} at {} requests/s ({range})", whole(outcome.rate)),
            );
        }
    }
    let closed = outcome.main_capacity();
    let cpu = closed.and_then(|capacity| capacity.legs.cpu_per_1000(Side::Proxied, Role::Proxy));
    if let Some(cpu) = cpu {
        let words = format!("CPU of the proxy per request under full load, {} connections", outcome.clients);
        tile(time(cpu / 1000.0), words);
    }
    if let Some((capacity, ratio)) = closed.and_then(|capacity| Some((capacity, capacity.legs.ratio()?))) {
        let rate = whole(capacity.legs.rate(Side::Proxied));
        tile(
            format!("× {:.2}", ratio.mean),
            format!("of the direct throughput with all parties on this machine: {rate} requests/s"),
        );
    }
    out.push_str("</div>\n");
    out
}

fn plots(outcome: &Outcome) -> String {
    let mut out = String::from("<div class=\"plots\">\n");
    let mut figure = |title: &str, words: &str, svg: String| {
        let _ = writeln!(out, "<figure><figcaption>{title}<small>{words}</small></figcaption>{svg}</figure>");
    };
    if !outcome.latency.0.is_empty() {
        let words = format!(
            "Open loop, {} requests/s on {} connections, counted from the intended time",
            whole(outcome.rate),
            outcome.clients
        );
        figure("Latency distribution", &words, distribution(&outcome.latency));
    }
    if !outcome.capacity.is_empty() {
        let words = "Closed loop: each connection asks again when it has its answer";
        figure("Throughput against connections", words, throughput(outcome));
        let words = "Closed loop: 99 % of the answers came within this time";
        figure("Latency under full load (p99)", words, full_load(outcome));
        let words = "Closed loop, direct and proxied, by party";
        figure("CPU per request", words, cpu(outcome));
    }
    out.push_str("</div>\n");
    out
}

fn distribution(legs: &Legs) -> String {
    let curve = |side| {
        let latency = legs.latency(side);
        // The axis counts nines: 1 is p90, 2 is p99. A share that fewer than ten answers exceed is noise.
        let most = 1.0 - 10.0 / latency.len().max(11) as f64;
        let shares = shares().filter(|share| *share <= most);
        shares
            .map(|share| (-(1.0 - share).log10(), latency.value_at_quantile(share) as f64 / 1e9))
            .collect::<Vec<_>>()
    };
    let both = [curve(Side::Direct), curve(Side::Proxied)];
    let values = || both.iter().flatten().map(|point| point.1);
    let (least, most) = values().fold((f64::MAX, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let y = Axis::decades("latency", least, most, &time);
    let nines = [
        (0.0, "least"),
        (std::f64::consts::LOG10_2, "p50"),
        (1.0, "p90"),
        (2.0, "p99"),
        (3.0, "p99.9"),
        (4.0, "p99.99"),
    ];
    let end = both.iter().flatten().map(|point| point.0).fold(1.0, f64::max);
    let ticks = nines.iter().filter(|(at, _)| *at <= end + 0.01);
    let ticks = ticks.map(|(at, words)| Tick { at: *at, words: (*words).to_owned() }).collect();
    let x =
        Axis { title: "share of the requests that were not slower".to_owned(), low: 0.0, high: end, ticks };
    let [direct, proxied] = both.map(|points| points.into_iter().map(|(a, b)| (a, b.log10())).collect());
    let series = [
        Series { name: "direct".to_owned(), class: "direct", points: direct, dots: false },
        Series { name: "proxied".to_owned(), class: "proxied", points: proxied, dots: false },
    ];
    curves("Latency distribution", &x, &y, &series)
}

/// Returns a figure of both ways for each number of connections, as two series.
fn by_connections(outcome: &Outcome, figure: &dyn Fn(&Legs, Side) -> f64) -> [Series; 2] {
    [(Side::Direct, "direct"), (Side::Proxied, "proxied")].map(|(side, name)| {
        let measured = outcome.capacity.iter().filter(|capacity| capacity.legs.of(side).next().is_some());
        let points = measured.map(|c| (position(c.connections), figure(&c.legs, side))).collect();
        Series { name: name.to_owned(), class: name, points, dots: true }
    })
}

/// Returns where a number of connections lies on its axis, which is one of logarithms.
fn position(connections: usize) -> f64 {
    (connections as f64).log10()
}

fn axis_of_connections(outcome: &Outcome) -> Axis {
    let tick = |n: usize| Tick { at: position(n), words: n.to_string() };
    let ticks: Vec<Tick> = outcome.capacity.iter().map(|capacity| tick(capacity.connections)).collect();
    let ends = (ticks.first().map_or(0.0, |tick| tick.at), ticks.last().map_or(1.0, |tick| tick.at));
    // A single number of connections lies in the middle.
    let (low, high) = if ends.0 < ends.1 { ends } else { (ends.0 - 0.5, ends.0 + 0.5) };
    Axis { title: "connections".to_owned(), low, high, ticks }
}

fn throughput(outcome: &Outcome) -> String {
    let ceilings = outcome.ceilings.iter().map(|c| (position(c.connections), c.per_second)).collect();
    let mut series = by_connections(outcome, &Legs::rate).into_iter().collect::<Vec<_>>();
    series.push(Series {
        name: "generator's ceiling".to_owned(),
        class: "ceiling",
        points: ceilings,
        dots: false,
    });
    let most = series.iter().flat_map(|line| &line.points).map(|point| point.1).fold(1.0, f64::max);
    let y = Axis::linear("requests/s", most, &whole);
    curves("Throughput against connections", &axis_of_connections(outcome), &y, &series)
}

fn full_load(outcome: &Outcome) -> String {
    let mut series = by_connections(outcome, &|legs, side| legs.quantile(side, 0.99).max(1e-6));
    let values = || series.iter().flat_map(|line| &line.points).map(|point| point.1);
    let (least, most) = values().fold((f64::MAX, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let y = Axis::decades("latency", least, most, &time);
    series.iter_mut().flat_map(|line| &mut line.points).for_each(|point| point.1 = point.1.log10());
    curves("Latency under full load", &axis_of_connections(outcome), &y, &series)
}

fn cpu(outcome: &Outcome) -> String {
    let mut all = Vec::new();
    for capacity in &outcome.capacity {
        let n = capacity.connections;
        for (side, name) in [(Side::Direct, "direct"), (Side::Proxied, "proxied")] {
            let roles = [Role::Proxy, Role::Origin, Role::Generator];
            // 1,000 requests in seconds are one request in milliseconds, and a thousand times that in µs.
            let parts =
                roles.map(|role| capacity.legs.cpu_per_1000(side, role).unwrap_or(0.0) * 1e3).to_vec();
            let group =
                (side == Side::Direct).then(|| format!("{n} connection{}", if n == 1 { "" } else { "s" }));
            all.push(Bar { name: name.to_owned(), group, parts });
        }
    }
    let most = all.iter().map(|bar| bar.parts.iter().sum::<f64>()).fold(1.0, f64::max);
    let y = Axis::linear("µs per request", most * 1.05, &|value| format!("{value:.0}"));
    let parts = [("proxy", "proxy"), ("origin", "origin"), ("generator", "generator")];
    bars("CPU per request", &y, &parts, &all, &three)
}

/// Returns a table. The first cell of each row is its name.
fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = String::from("<div class=\"scroll\"><table>\n<tr>");
    for heading in headings {
        let _ = write!(out, "<th>{}</th>", escape(heading));
    }
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}</td>", escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
    out
}

fn latency(outcome: &Outcome) -> String {
    let legs = &outcome.latency;
    if legs.0.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = QUANTILES
        .iter()
        .map(|(name, share)| {
            let added = legs.added(*share);
            vec![
                (*name).to_owned(),
                time(legs.quantile(Side::Direct, *share)),
                time(legs.quantile(Side::Proxied, *share)),
                added.map_or_else(|| UNKNOWN.to_owned(), |added| signed_time(added.mean)),
                added.map_or_else(String::new, |i| {
                    format!("{} to {}", signed_time(i.low), signed_time(i.high))
                }),
            ]
        })
        .collect();
    let late = match (legs.lateness(0.5), legs.lateness(0.99)) {
        (Some(half), Some(late)) => format!(
            "<p class=\"soft\">The generator itself started requests {} (p50) and {} (p99) after the intended time, which is \
             in the latencies of both ways.</p>\n",
            time(half),
            time(late)
        ),
        _ => String::new(),
    };
    let headings = ["percentile", "direct", "proxied", "added", "95 % interval of the added latency"];
    format!("<h2>Latency at {} requests/s</h2>\n{}{late}", whole(outcome.rate), table(&headings, &rows))
}

fn capacity(outcome: &Outcome) -> String {
    let rows: Vec<Vec<String>> = outcome
        .capacity
        .iter()
        .map(|capacity| {
            let legs = &capacity.legs;
            let ratio = legs.ratio();
            let mark = |side| {
                let near = outcome.limit(capacity, side) == Limit::Generator;
                format!("{}{}", whole(legs.rate(side)), if near { " *" } else { "" })
            };
            let ceiling = outcome.ceiling(capacity.connections);
            vec![
                capacity.connections.to_string(),
                mark(Side::Direct),
                mark(Side::Proxied),
                ratio.map_or_else(|| UNKNOWN.to_owned(), |ratio| format!("{:.2}", ratio.mean)),
                ratio.map_or_else(String::new, |ratio| format!("{:.2} to {:.2}", ratio.low, ratio.high)),
                time(legs.quantile(Side::Direct, 0.99)),
                time(legs.quantile(Side::Proxied, 0.99)),
                outcome.limit(capacity, Side::Proxied).word().to_owned(),
                ceiling.map_or_else(|| UNKNOWN.to_owned(), |ceiling| whole(ceiling.per_second)),
            ]
        })
        .collect();
    let headings = [
        "connections",
        "direct/s",
        "proxied/s",
        "ratio",
        "95 % interval",
        "p99 direct",
        "p99 proxied",
        "limit",
        "generator's ceiling",
    ];
    format!(
        "<h2>Capacity</h2>\n{}<p class=\"soft\">* within 20 % of the generator's ceiling, so the servers may be faster.</p>\n",
        table(&headings, &rows)
    )
}

fn costs(outcome: &Outcome) -> String {
    let none = Legs::default();
    let closed = outcome.main_capacity().map_or(&none, |capacity| &capacity.legs);
    let mut rows = Vec::new();
    let mut row = |name: &str, cell: &dyn Fn(&Legs, Side) -> Option<String>| {
        let mut cells = vec![name.to_owned()];
        for legs in [closed, &outcome.latency] {
            for side in [Side::Direct, Side::Proxied] {
                let known = (!legs.0.is_empty()).then(|| cell(legs, side)).flatten();
                cells.push(known.unwrap_or_else(|| UNKNOWN.to_owned()));
            }
        }
        rows.push(cells);
    };
    let without = || Some("–".to_owned());
    for (name, role) in [("proxy", Role::Proxy), ("origin", Role::Origin), ("generator", Role::Generator)] {
        row(&format!("CPU per request, {name}"), &|legs, side| match (side, role) {
            (Side::Direct, Role::Proxy) => without(),
            _ => legs.cpu_per_1000(side, role).map(|seconds| time(seconds / 1e3)),
        });
    }
    for (name, role) in [("proxy", Role::Proxy), ("origin", Role::Origin)] {
        row(&format!("resident memory, {name}"), &|legs, side| match (side, role) {
            (Side::Direct, Role::Proxy) => without(),
            _ => legs.memory(side, role).map(|resident| bytes(resident as f64)),
        });
    }
    let rate = |value: f64| Some(format!("{}/s", bytes(value)));
    row("clients send", &|legs, side| rate(legs.client_bytes(side).0));
    row("proxy sends to the origin", &|legs, side| match side {
        Side::Direct => without(),
        Side::Proxied => rate(legs.member_bytes()?.0),
    });
    row("proxy receives from the origin", &|legs, side| match side {
        Side::Direct => without(),
        Side::Proxied => rate(legs.member_bytes()?.1),
    });
    row("clients receive", &|legs, side| rate(legs.client_bytes(side).1));
    row("connections of clients to the proxy", &|legs, side| match side {
        Side::Direct => without(),
        Side::Proxied => legs.connections().map(|both| whole(both.0)),
    });
    row("connections of the proxy to the origin", &|legs, side| match side {
        Side::Direct => without(),
        Side::Proxied => legs.connections().map(|both| whole(both.1)),
    });
    let headings = ["", "closed, direct", "closed, proxied", "open, direct", "open, proxied"];
    format!("<h2>Costs at {} connections</h2>\n{}", outcome.clients, table(&headings, &rows))
}

fn reading(outcome: &Outcome) -> String {
    let mut out = String::from("<h2>How to read this</h2>\n<ul>\n");
    for note in outcome.notes() {
        let _ = writeln!(out, "<li>{}</li>", escape(&note));
    }
    if let Some((proxy, generator)) = outcome.counted() {
        let _ = writeln!(
            out,
            "<li>The proxy counted {} requests and the generator {}, a difference of {:.2} %.</li>",
            whole(proxy),
            whole(generator),
            ((proxy / generator - 1.0) * 100.0).abs()
        );
    }
    out.push_str(
        "<li>Latency is measured at a rate that both ways can hold. It counts from the time at which a request was due, so a \
         stall of a server is in every request that it delayed.</li>\n<li>Added latency is the difference between \
         neighbouring legs. If its interval holds zero, the run shows no difference.</li>\n<li>Throughput and CPU come from \
         closed loops at full load. CPU is that of whole processes, the kernel's work for them included.</li>\n<li>Loopback \
         has no distance and no loss. The figures say what the proxy costs, not what a network adds.</li>\n</ul>\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overhead::json::document;
    use crate::overhead::outcome::tests::outcome;

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_escapes_what_it_shows() {
        let outcome = outcome();
        let page = page(&outcome, &document(&outcome));
        let (shown, _data) = page.split_once("<script").unwrap();
        for foreign in ["src=", "href=", "@import", "url(", "<proxy>"] {
            assert!(!shown.contains(foreign), "{foreign}");
        }
        assert!(
            page.contains("What a &lt;proxy&gt; &amp; 1.0 costs")
                && page.contains("prefers-color-scheme: dark")
        );
        assert_eq!(page.matches("<svg").count(), 4);
        assert!(page.contains("+55.0 µs") && page.contains("× 0.69"), "{page}");
    }

    #[test]
    fn an_outcome_without_latency_has_a_page_too() {
        let mut outcome = outcome();
        outcome.latency = Legs::default();
        outcome.capacity.truncate(1);
        let page = page(&outcome, &document(&outcome));
        assert_eq!(page.matches("<svg").count(), 3);
    }
}
