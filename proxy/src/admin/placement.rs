//! Answers which member each backend gives a source, and why.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::affinity::{Ranking, name_hash};
use crate::backend::{DownReason, member_key};
use crate::config::{AdminState, Backend, MemberSettings};
use crate::shared::Shared;

use super::pages::Page;

/// Returns the page, which only reads.
pub(crate) fn placement_page(shared: &Arc<Shared>) -> Page {
    let shared = shared.clone();
    let route = get(async move |Path(source): Path<String>| -> Response {
        match source.parse() {
            Ok(source) => {
                let json = format!("{:#}\n", placements(&shared, source));
                ([(CONTENT_TYPE, "application/json")], json).into_response()
            }
            Err(_) => (StatusCode::BAD_REQUEST, format!("`{source}` is no IP address\n")).into_response(),
        }
    });
    Page { path: "/affinity/{source}", about: "the member that each backend gives a source", route }
}

/// Describes the member of a source in each backend of the configuration in force.
fn placements(shared: &Shared, source: IpAddr) -> Value {
    let settings = shared.settings();
    let backends = settings.backends.iter().map(|backend| placement(shared, backend, source));
    json!({ "source": source, "backends": backends.collect::<Vec<_>>() })
}

fn placement(shared: &Shared, backend: &Backend, source: IpAddr) -> Value {
    let ranking =
        Ranking::new(backend, |member| shared.would_be_up(&member_key(backend, member), member.state));
    let Some((key, rank)) = backend.affinity.key(source).zip(ranking.rank(source)) else {
        return json!({ "backend": &*backend.name, "key": null, "member": null });
    };
    let name = |place: &usize| &*backend.members[*place].name;
    let chosen = ranking.choose(source);
    // Where none is up, the choice is the first in rank, and those before it are none.
    let passed_over = rank.iter().take_while(|place| Some(**place) != chosen);
    let passed_over =
        passed_over.map(|place| json!({ "member": name(place), "because": faults(shared, backend, *place) }));
    let present = shared.sources.place(name_hash(&backend.name), key).map(|place| {
        let member = ranking.with_hash(place.member);
        json!({
            "member": member.as_ref().map(name),
            "clients": place.clients,
            "for_seconds": shared.started.elapsed().as_secs().saturating_sub(place.since.into()),
        })
    });
    json!({
        "backend": &*backend.name,
        "key": key,
        "rank": rank.iter().map(name).collect::<Vec<_>>(),
        "member": chosen.as_ref().map(name),
        "is_up": chosen.is_some_and(|place| faults(shared, backend, place).is_empty()),
        "passed_over": passed_over.collect::<Vec<_>>(),
        "present": present,
    })
}

/// Lists the reasons for which a member gets no new source.
fn faults(shared: &Shared, backend: &Backend, place: usize) -> Vec<&'static str> {
    let member: &MemberSettings = &backend.members[place];
    let Some(health) = shared.known_health(&member_key(backend, member)) else { return Vec::new() };
    let holds = DownReason::ALL.into_iter().filter(|reason| health.has(*reason)).map(DownReason::sentence);
    holds.chain((member.state == AdminState::Drain).then_some("it drains")).collect()
}
