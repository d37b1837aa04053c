//! Says how many of the sources that have clients a new configuration sends to another member.

use crate::affinity::{BackendChange, BackendMoves, SourceFlow, SourceList, SourceMoves, compare, name_hash};
use crate::backend::member_key;
use crate::config::Settings;
use crate::shared::Shared;

/// The largest number of pairs of members that a sentence names. The others are summed up.
const MOST_PAIRS: usize = 8;

/// Returns the moves that `next` would cause now. A source whose member is down counts for the member that it uses meanwhile.
pub(super) fn moves(shared: &Shared, next: &Settings) -> Vec<BackendMoves> {
    compare(
        &shared.settings().backends,
        &next.backends,
        |backend, member| shared.would_be_up(&member_key(backend, member), member.state),
        |backend| SourceList::Keys(shared.sources.of_backend(name_hash(&backend.name))),
    )
}

/// Describes the moves in one line, or says that there are none.
pub(super) fn describe(moves: &[BackendMoves]) -> String {
    let parts: Vec<_> = moves.iter().filter_map(part).collect();
    if !parts.is_empty() {
        return parts.join("; ");
    }
    let sources = moves.iter().map(|backend| match &backend.change {
        BackendChange::Counted(moves) => moves.sources(),
        _ => 0,
    });
    match sources.sum::<usize>() {
        0 => "no source moves".to_owned(),
        1 => "the 1 source that is connected does not move".to_owned(),
        sources => format!("none of {sources} sources moves"),
    }
}

/// Describes the moves of a backend; `None` if there are none.
fn part(backend: &BackendMoves) -> Option<String> {
    let name = &backend.backend.name;
    Some(match &backend.change {
        BackendChange::Added | BackendChange::NoAffinity | BackendChange::Removed(0) => return None,
        BackendChange::Removed(sources) => format!("backend {name} goes, with {}", counted(*sources)),
        BackendChange::AffinityBegins => format!("affinity of {name} begins, and its clients may move"),
        BackendChange::AffinityEnds(0) | BackendChange::FinerKey(0) => return None,
        BackendChange::AffinityEnds(sources) => {
            format!("affinity of {name} ends, and its {} may move", counted(*sources))
        }
        BackendChange::FinerKey(sources) => format!(
            "the affinity key of {name} tells more addresses apart, and its {} may move",
            counted(*sources)
        ),
        BackendChange::Counted(moves) if moves.moved() == 0 => return None,
        BackendChange::Counted(moves) => {
            let verb = if moves.moved() == 1 { "moves" } else { "move" };
            // The connections of a TCP client stay where they are.
            let when = if backend.backend.protocol.is_pooled() { "" } else { " with their next connections" };
            let all = counted(moves.sources());
            format!("{} of {all} of {name} {verb}{when} ({})", moves.moved(), pairs(moves))
        }
    })
}

fn counted(sources: usize) -> String {
    if sources == 1 { "1 source".to_owned() } else { format!("{sources} sources") }
}

/// Lists the pairs of members with the most moves first.
fn pairs(moves: &SourceMoves) -> String {
    let mut flows: Vec<_> = moves.flows.iter().filter(|flow| flow.is_move()).collect();
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.sources));
    let (named, others) = flows.split_at(flows.len().min(MOST_PAIRS));
    let pair = |flow: &&SourceFlow| format!("{} to {}: {}", flow.from, flow.to, flow.sources);
    let mut parts: Vec<_> = named.iter().map(pair).collect();
    if !others.is_empty() {
        parts.push(format!("others: {}", others.iter().map(|flow| flow.sources).sum::<usize>()));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Backend, parse};

    fn backend(protocol: &str) -> Arc<Backend> {
        let text = format!(
            "listeners: {{ web: {{ bind: 127.0.0.1:1, protocol: {protocol}, backend: app }} }}\n\
             backends: {{ app: {{ members: {{ a: 127.0.0.1:2 }} }} }}"
        );
        let mut settings = parse("test.yaml", &text, &|_| None).unwrap_or_else(|m| panic!("{m}")).settings;
        settings.backends.swap_remove(0)
    }

    fn flows(all: &[(&str, &str, usize)]) -> BackendChange {
        let flow = |(from, to, sources): &(&str, &str, usize)| SourceFlow {
            from: (*from).into(),
            to: (*to).into(),
            sources: *sources,
        };
        BackendChange::Counted(SourceMoves { flows: all.iter().map(flow).collect() })
    }

    #[test]
    fn each_change_has_its_sentence() {
        let said = |protocol: &str, changes: &[BackendChange]| {
            let backend = backend(protocol);
            let moves =
                |change: &BackendChange| BackendMoves { backend: backend.clone(), change: change.clone() };
            describe(&changes.iter().map(moves).collect::<Vec<_>>())
        };
        let three = flows(&[("a", "a", 828), ("a", "c", 4), ("b", "c", 8)]);
        assert_eq!(said("http", &[three]), "12 of 840 sources of app move (b to c: 8, a to c: 4)");
        assert_eq!(
            said("tcp", &[BackendChange::Added, flows(&[("a", "b", 1)])]),
            "1 of 1 source of app moves with their next connections (a to b: 1)"
        );
        assert_eq!(
            said("http", &[BackendChange::Removed(3), BackendChange::FinerKey(1)]),
            "backend app goes, with 3 sources; the affinity key of app tells more addresses apart, and its 1 source may move"
        );
        assert_eq!(said("http", &[BackendChange::NoAffinity]), "no source moves");
        let stays = flows(&[("a", "a", 800), ("b", "b", 40)]);
        assert_eq!(said("http", &[stays, BackendChange::Removed(0)]), "none of 840 sources moves");
        let names: Vec<_> = (0..10).map(|i| i.to_string()).collect();
        let many: Vec<_> = names.iter().enumerate().map(|(i, name)| (&**name, "x", 20 - i)).collect();
        assert!(said("http", &[flows(&many)]).ends_with("7 to x: 13, others: 23)"));
    }
}
