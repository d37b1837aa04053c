//! Tests of the link's parts without sockets, a file for each part, and what they share.

use std::time::Duration;

use crate::config::{Links, PerSource, PipelineMethods, Vouched};

/// The default settings of links.
pub(crate) fn links() -> Links {
    Links {
        min_rate: None,
        max_per_member: 64.try_into().unwrap(),
        warm: 0,
        max_tunnels: 1024,
        pipeline: 32.try_into().unwrap(),
        vouched: Vouched::ByWord,
        pipeline_budget: Duration::from_millis(2),
        pipeline_methods: PipelineMethods::Safe,
        rescue_after: Some(Duration::from_millis(20)),
        rescue_budget: 10,
        max_per_source: PerSource::Quarter,
        evict_idle: None,
        idle_timeout: Duration::from_secs(4),
        max_age: None,
        max_requests: None,
        connect_timeout: Duration::from_secs(5),
    }
}

mod answer;
mod callbacks;
mod conversation;
mod cuts;
mod depth;
mod exchange;
mod fairness;
pub(crate) mod given;
mod lanes;
mod permit_queue;
mod proof;
mod queue;
mod rescue;
mod scheduler;
mod shared_cap;
