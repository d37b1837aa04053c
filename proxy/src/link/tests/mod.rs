//! What the tests of this module share; its promises as tests, in files of their own.
//! In: settings, requests and answers as they stand on the wire. Out: what the pure parts make of them.
//! Knows nothing of sockets.

use std::time::Duration;

use crate::config::{Links, PerSource, PipelineMethods};

/// The default settings of links.
pub(crate) fn links() -> Links {
    Links {
        max_per_source: PerSource::Quarter,
        min_rate: None,
        max_per_member: 64.try_into().unwrap(),
        warm: 0,
        max_tunnels: 1024,
        pipeline: 32.try_into().unwrap(),
        pipeline_budget: Duration::from_millis(2),
        pipeline_methods: PipelineMethods::Safe,
        rescue_after: Some(Duration::from_millis(20)),
        rescue_budget: 10,
        idle_timeout: Duration::from_secs(4),
        max_age: None,
        max_requests: None,
        connect_timeout: Duration::from_secs(5),
    }
}

mod answer;
mod conversation;
mod depth;
mod exchange;
mod given;
mod lanes;
mod pool;
mod queue;
mod rescue;
mod stock;
