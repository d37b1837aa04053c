//! Implements `penstock affinity`: who would move under another configuration, and which member a source meets.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::affinity::{BackendChange, BackendMoves, SourceFlow, SourceList, SourceMoves, compare, sample};
use crate::config::{AdminState, Affinity, Backend, MemberSettings};
use crate::lifecycle::ConfigSource;

use super::control::ControlArguments;
use super::{loaded, print, print_error};

#[derive(Subcommand, Debug)]
pub(super) enum AffinityCommand {
    /// Show who would move to another member under another configuration, by member. Nothing is changed.
    Plan(PlanArguments),
    /// Show which member a running proxy gives a source, why, and since when.
    Show(ShowArguments),
}

#[derive(Args, Debug)]
#[command(
    after_help = "The plan sends a fixed sample of 100000 IPv4 addresses through both configurations, with all members up, and \
compares the members that they get. It asks no running proxy. `penstock reload --dry-run` counts the sources that are connected \
to one instead.\n\n\
A member is known by its name: a new address moves nobody. A member that goes moves its own sources only, and a new member takes \
sources from all others in proportion to its weight.\n\n\
Exit code: 0 the plan is printed; 1 a configuration has mistakes.\n\n\
Try it:\n  penstock affinity plan next.yaml                       from config.yaml to next.yaml\n  \
penstock affinity plan next.yaml -c /etc/penstock.yaml\n  \
penstock affinity plan next.yaml --json | jq '.backends[] | {name, moved}'"
)]
pub(super) struct PlanArguments {
    /// The configuration that is to come.
    #[arg(value_name = "NEW.yaml")]
    new: PathBuf,
    /// The configuration in force [default: `config.yaml` if it is there, else a built-in copy of it].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "The proxy needs a control socket: `control: unix:/run/penstock/control.sock` in its configuration. A source with clients is shown with the time since which it has been at its member; a reload begins that time anew.\n\n\
Exit code: 0 the member is shown; 1 the proxy could not be asked.\n\n\
Try it:\n  penstock affinity show 10.1.2.3\n  \
penstock affinity show 2001:db8::7 --control unix:/run/penstock/control.sock\n  \
penstock affinity show 10.1.2.3 --json | jq '.backends[] | {backend, member}'"
)]
pub(super) struct ShowArguments {
    /// The address of the source.
    #[arg(value_name = "IP")]
    source: IpAddr,
    #[command(flatten)]
    control: ControlArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The number of addresses in the sample. Shares of it are exact to about 0.3 percentage points (two standard deviations), and it takes
/// well under a second.
const SAMPLE: u32 = 100_000;
pub(super) fn run(command: &AffinityCommand) -> ExitCode {
    match command {
        AffinityCommand::Plan(arguments) => plan(arguments),
        AffinityCommand::Show(arguments) => show(arguments),
    }
}

fn plan(arguments: &PlanArguments) -> ExitCode {
    let (old, new) = (
        ConfigSource::named_or_usual(arguments.config.as_deref()),
        ConfigSource::File(arguments.new.clone()),
    );
    let (Some(before), Some(after)) = (loaded(&old, print_error), loaded(&new, print_error)) else {
        return ExitCode::FAILURE;
    };
    let (before, after) = (before.settings.backends, after.settings.backends);
    let sample: Arc<[IpAddr]> = sample(SAMPLE).collect();
    let moves = compare(&before, &after, |_, _| true, |_| SourceList::Addresses(sample.clone()));
    let rows = moves.iter().map(|moves| PlanRow { moves, before: named(&before, moves) }).collect::<Vec<_>>();
    print(&if arguments.json {
        format!("{:#}\n", to_json(&old, &new, &rows))
    } else {
        to_text(&old, &new, &rows)
    })
}

fn show(arguments: &ShowArguments) -> ExitCode {
    let answer = arguments.control.ask("GET", &format!("/affinity/{}", arguments.source));
    let shown = answer.and_then(|text| {
        let read = |error| format!("penstock: the proxy's answer cannot be read: {error}");
        serde_json::from_str::<Value>(&text).map_err(read)
    });
    match shown {
        Ok(shown) if arguments.json => print(format!("{shown:#}\n")),
        Ok(shown) => print(placements(&shown)),
        Err(why) => {
            print_error(why.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Describes the answer of a proxy, one line for each backend and one more if the source has clients there.
fn placements(shown: &Value) -> String {
    let backends = shown["backends"].as_array().map(Vec::as_slice).unwrap_or_default();
    backends.iter().map(|backend| placement(backend) + "\n").collect()
}

fn placement(backend: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<Value> { value.as_array().cloned().unwrap_or_default() };
    let (name, member) = (text(&backend["backend"]), &backend["member"]);
    let Some(member) = member.as_str() else {
        return format!("{name}: there is no affinity; each new client gets the member with the fewest");
    };
    let passed_over = list(&backend["passed_over"]).into_iter().map(|other| {
        let reasons: Vec<_> = list(&other["because"]).iter().map(text).collect();
        format!("{} is out ({})", text(&other["member"]), reasons.join(", "))
    });
    let passed_over: Vec<_> = passed_over.collect();
    let why = match (passed_over.is_empty(), backend["is_up"] == true) {
        (true, true) => "its first by hash".to_owned(),
        (true, false) => "its first by hash, because no member is up".to_owned(),
        (false, _) => format!("the next in its rank, because {}", passed_over.join(" and ")),
    };
    let present = &backend["present"];
    let now = if present.is_null() {
        "it has no clients now".to_owned()
    } else {
        let (clients, seconds) = (&present["clients"], &present["for_seconds"]);
        let at = present["member"].as_str().unwrap_or("a member that is no longer configured");
        let clients = if *clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
        format!("connected to {at} for {seconds} s, with {clients}")
    };
    format!("{name}: {member}, {why}; {now}")
}

fn named<'a>(backends: &'a [Arc<Backend>], moves: &BackendMoves) -> Option<&'a Backend> {
    backends.iter().find(|backend| backend.name == moves.backend.name).map(|backend| &**backend)
}

/// A backend of the plan.
struct PlanRow<'a> {
    moves: &'a BackendMoves,
    /// The backend as the old configuration has it.
    before: Option<&'a Backend>,
}

/// A member of a backend in the plan.
struct MemberRow<'a> {
    name: &'a str,
    before: Option<&'a MemberSettings>,
    after: Option<&'a MemberSettings>,
}

impl<'a> PlanRow<'a> {
    /// Returns the members, those of the new configuration first.
    fn members(&self) -> Vec<MemberRow<'a>> {
        let old = self.before.map_or(&[][..], |before| &before.members);
        let new = &self.moves.backend.members;
        let find = |all: &'a [MemberSettings], name: &str| all.iter().find(|other| *other.name == *name);
        let stays =
            new.iter().map(|m| MemberRow { name: &m.name, before: find(old, &m.name), after: Some(m) });
        let goes = old.iter().filter(|m| find(new, &m.name).is_none());
        stays.chain(goes.map(|m| MemberRow { name: &m.name, before: Some(m), after: None })).collect()
    }

    /// Returns whether the affinity key of IPv6 addresses changes, which the sample does not show.
    fn has_another_v6_key(&self) -> bool {
        let v6 = |backend: &Backend| match backend.affinity {
            Affinity::Source { v6, .. } => Some(v6),
            Affinity::None => None,
        };
        self.before.is_some_and(|before| v6(before) != v6(&self.moves.backend))
    }
}

impl MemberRow<'_> {
    /// Returns what changes for the member.
    fn notes(&self) -> Vec<String> {
        let (Some(before), Some(after)) = (self.before, self.after) else {
            return vec![if self.before.is_none() { "new" } else { "removed" }.to_owned()];
        };
        let mut notes = Vec::new();
        if before.weight != after.weight {
            notes.push(format!("weight {} to {}", before.weight, after.weight));
        }
        if before.state != after.state {
            notes.push(match after.state {
                AdminState::Ready => "ready".to_owned(),
                AdminState::Drain => "drains, and keeps those who are there".to_owned(),
                AdminState::Maintenance => "in maintenance".to_owned(),
            });
        }
        if before.backup != after.backup {
            notes.push(if after.backup { "a backup now" } else { "no backup any more" }.to_owned());
        }
        if before.address != after.address {
            notes.push(format!("address {} to {}", before.address, after.address));
        }
        notes
    }

    /// Returns the numbers of its sources before and after, of those that it gains, and of those that it loses.
    fn counts(&self, moves: &SourceMoves) -> [usize; 4] {
        let sum = |which: &dyn Fn(&SourceFlow) -> bool| {
            moves.flows.iter().filter(|flow| which(flow)).map(|flow| flow.sources).sum()
        };
        [
            sum(&|flow| *flow.from == *self.name),
            sum(&|flow| *flow.to == *self.name),
            sum(&|flow| *flow.to == *self.name && flow.is_move()),
            sum(&|flow| *flow.from == *self.name && flow.is_move()),
        ]
    }
}

fn to_text(old: &ConfigSource, new: &ConfigSource, rows: &[PlanRow<'_>]) -> String {
    let mut text =
        format!("From {old} to {new}, by a sample of {SAMPLE} IPv4 addresses with all members up:\n");
    for row in rows {
        let name = &row.moves.backend.name;
        let _ = match &row.moves.change {
            BackendChange::Counted(moves) => write_moves(&mut text, row, moves),
            other => writeln!(text, "\n{name}: {}", sentence(other)),
        };
    }
    text
}

/// Describes a change that moves no source from one member to another.
const fn sentence(change: &BackendChange) -> &'static str {
    match change {
        BackendChange::Added => "this backend is new",
        BackendChange::Removed(_) => "this backend is removed",
        BackendChange::NoAffinity => "there is no affinity; each new client gets the member with the fewest",
        BackendChange::AffinityBegins => {
            "affinity begins; until now each new client got the member with the fewest"
        }
        BackendChange::AffinityEnds(_) => {
            "affinity ends; from then on each new client gets the member with the fewest"
        }
        BackendChange::FinerKey(_) | BackendChange::Counted(_) => "",
    }
}

fn write_moves(text: &mut String, row: &PlanRow<'_>, moves: &SourceMoves) -> std::fmt::Result {
    let members = row.members();
    let wide = members.iter().map(|member| member.name.len()).max().unwrap_or(0).max("member".len());
    let moved = match moves.moved() {
        0 => "no source moves".to_owned(),
        moved => format!("{} of the sources move", percent(moved)),
    };
    writeln!(text, "\n{}: {moved}", row.moves.backend.name)?;
    writeln!(text, "  {:wide$}  {:>8}  {:>8}  {:>8}  {:>8}", "member", "before", "after", "gains", "loses")?;
    for member in &members {
        let [before, after, gains, loses] = member.counts(moves);
        let share = |is_there: bool, count| if is_there { percent(count) } else { "-".to_owned() };
        let (before, after) = (share(member.before.is_some(), before), share(member.after.is_some(), after));
        let line = format!(
            "  {:wide$}  {before:>8}  {after:>8}  {:>8}  {:>8}  {}",
            member.name,
            percent(gains),
            percent(loses),
            member.notes().join(", ")
        );
        writeln!(text, "{}", line.trim_end())?;
    }
    for flow in moves.flows.iter().filter(|flow| flow.is_move()) {
        writeln!(text, "  from {} to {}: {}", flow.from, flow.to, percent(flow.sources))?;
    }
    if row.has_another_v6_key() {
        writeln!(
            text,
            "  The key of IPv6 addresses changes; the sample does not show how many of them move."
        )?;
    }
    Ok(())
}

/// Returns a share of the sample in percent.
fn share(count: usize) -> f64 {
    100.0 * count as f64 / f64::from(SAMPLE)
}

fn percent(count: usize) -> String {
    format!("{:.1} %", share(count))
}

fn to_json(old: &ConfigSource, new: &ConfigSource, rows: &[PlanRow<'_>]) -> Value {
    json!({
        "before": old.to_string(),
        "after": new.to_string(),
        "sample": SAMPLE,
        "backends": rows.iter().map(backend_json).collect::<Vec<_>>(),
    })
}

fn backend_json(row: &PlanRow<'_>) -> Value {
    let name = &*row.moves.backend.name;
    let BackendChange::Counted(moves) = &row.moves.change else {
        return json!({ "name": name, "change": word(&row.moves.change) });
    };
    let member = |member: &MemberRow<'_>| {
        let [before, after, gains, loses] = member.counts(moves);
        json!({
            "name": member.name,
            "before": member.before.map(|_| before),
            "after": member.after.map(|_| after),
            "gains": gains,
            "loses": loses,
            "notes": member.notes(),
        })
    };
    let flow = |flow: &SourceFlow| json!({ "from": &*flow.from, "to": &*flow.to, "sources": flow.sources });
    json!({
        "name": name,
        "change": word(&row.moves.change),
        "sources": moves.sources(),
        "moved": moves.moved(),
        "ipv6_key_changes": row.has_another_v6_key(),
        "members": row.members().iter().map(member).collect::<Vec<_>>(),
        "moves": moves.flows.iter().filter(|flow| flow.is_move()).map(flow).collect::<Vec<_>>(),
    })
}

/// Returns the word for a change in JSON.
const fn word(change: &BackendChange) -> &'static str {
    match change {
        BackendChange::Added => "added",
        BackendChange::Removed(_) => "removed",
        BackendChange::NoAffinity => "no_affinity",
        BackendChange::AffinityBegins => "affinity_begins",
        BackendChange::AffinityEnds(_) => "affinity_ends",
        BackendChange::FinerKey(_) => "finer_key",
        BackendChange::Counted(_) => "counted",
    }
}
