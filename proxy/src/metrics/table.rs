//! Every metric of penstock, declared once: field, cell, unit, name and help.

use super::values::{
    AcceptError, Acquire, AttemptCode, ClientClose, ClientReject, ClientState, CodeClass, ConnectError,
    DepthReason, HoldReason, LinkClose, LinkState, LogFault, LogLine, Lookup, MemberState, Move,
    PipelineFault, ReloadResult, RetryReason, RetryResult,
};
use super::{AgeHistogram, ByLabel, CountHistogram, Counter, DepthHistogram, Gauge, Histogram, Least, Most};
use crate::cause::Cause;
use crate::event_loop::PanicSite;

cell_sets! {
    /// What one worker counts for one listener.
    pub ListenerCells by ["listener"] {
        /// Client connections by state; the sum over the states is what is open.
        connections: ByLabel<ClientState, Gauge> => None "penstock_client_connections";
        /// Client connections accepted.
        accepted: Counter => None "penstock_client_connections_accepted_total";
        /// Client connections closed, by who closed them and why.
        closed: ByLabel<ClientClose, Counter> => None "penstock_client_connections_closed_total";
        /// Clients refused at or right after accept.
        rejected: ByLabel<ClientReject, Counter> => None "penstock_client_connections_rejected_total";
        /// Failures of accept(2), and times that clients have to wait because the descriptors left are kept for links.
        accept_errors: ByLabel<AcceptError, Counter> => None "penstock_accept_errors_total";
        /// Bytes read from clients.
        received_bytes: Counter => Bytes "penstock_client_received_bytes_total";
        /// Bytes written to clients.
        sent_bytes: Counter => Bytes "penstock_client_sent_bytes_total";
        /// Bytes of tunnels, of both directions, that went from socket to socket without being copied (splice(2)).
        spliced_bytes: Counter => Bytes "penstock_tunnel_spliced_bytes_total";
        /// Requests whose head was read and whose answer has not ended.
        in_flight: Gauge => None "penstock_requests_in_flight";
        /// Requests a client connection carried, observed when it closes.
        connection_requests: CountHistogram => None "penstock_client_connection_requests";
        /// Age of a client connection, observed when it closes.
        connection_duration: AgeHistogram => Seconds "penstock_client_connection_duration_seconds";
        /// Requests that arrived before the answer to the one before had ended.
        pipelined: Counter => None "penstock_client_pipelined_requests_total";
        /// Lines of the access log by result; dropped lines were not taken because the log's thread was too far behind.
        log_lines: ByLabel<LogLine, Counter> => None "penstock_access_log_lines_total";
    }

    /// What one worker counts for one listener and the backend its requests went to.
    pub RouteCells by ["listener", "backend"] {
        /// Requests answered to clients, also those the proxy answered itself.
        requests: ByLabel<CodeClass, Counter> => None "penstock_requests_total";
        /// Answers and aborts that the proxy or the transport caused.
        errors: ByLabel<Cause, Counter> => None "penstock_request_errors_total";
        /// From the first byte of a request to the last of its answer.
        duration: Histogram => Seconds "penstock_request_duration_seconds";
        /// The part of the duration that the proxy added by queueing and work.
        overhead: Histogram => Seconds "penstock_request_overhead_seconds";
    }

    /// What one worker counts for one backend.
    pub BackendCells by ["backend"] {
        /// Time a successful connect took.
        connect_duration: Histogram => Seconds "penstock_backend_connect_duration_seconds";
        /// From the last byte of a request sent to the first of its answer.
        response_duration: Histogram => Seconds "penstock_backend_response_duration_seconds";
        /// Requests a backend connection carried, observed when it closes.
        connection_requests: CountHistogram => None "penstock_backend_connection_requests";
        /// Requests in flight on the chosen connection with this one, where others were allowed.
        pipeline_depth: DepthHistogram => None "penstock_backend_pipeline_depth";
        /// Attempts to get a connection, by result.
        acquires: ByLabel<Acquire, Counter> => None "penstock_pool_acquires_total";
        /// Wait for a connection, of all attempts; attempts that did not wait are in the first bucket.
        pool_wait: Histogram => Seconds "penstock_pool_wait_seconds";
        /// Requests that wait for a connection now.
        waiting: Gauge => None "penstock_pool_waiting";
        /// Requests that were sent again, or would have been.
        retries: ByLabel<RetryReason, ByLabel<RetryResult, Counter>> => None "penstock_retries_total";
        /// Connections that took no more requests for a while, by what was wrong with the answer at their head.
        held: ByLabel<HoldReason, Counter> => None "penstock_backend_connections_held_total";
        /// Breaches of the rules of pipelining by members, by kind; one ends pipelining to the member until it is proven anew.
        offences: ByLabel<PipelineFault, Counter> => None "penstock_backend_offences_total";
        /// How each client found its member; hit is a known source at the same member.
        affinity: ByLabel<Lookup, Counter> => None "penstock_affinity_lookups_total";
        /// Known sources that went to another member.
        affinity_moves: ByLabel<Move, Counter> => None "penstock_affinity_moves_total";
        /// Sources that are tied to a member now.
        affinity_entries: Gauge => None "penstock_affinity_entries";
    }

    /// What one worker counts for one member.
    pub MemberCells by ["backend", "member"] {
        /// Connections to the member by state.
        connections: ByLabel<LinkState, Gauge> => None "penstock_backend_connections";
        /// Connections to the member that were opened.
        opened: Counter => None "penstock_backend_connections_opened_total";
        /// Connections to the member that were closed, by who closed them and why.
        closed: ByLabel<LinkClose, Counter> => None "penstock_backend_connections_closed_total";
        /// Connections to the member that could not be opened.
        connect_errors: ByLabel<ConnectError, Counter> => None "penstock_backend_connect_errors_total";
        /// Bytes written to the member.
        sent_bytes: Counter => Bytes "penstock_backend_sent_bytes_total";
        /// Bytes read from the member.
        received_bytes: Counter => Bytes "penstock_backend_received_bytes_total";
        /// Request attempts sent to the member, by the class of the answer, or none.
        requests: ByLabel<AttemptCode, Counter> => None "penstock_backend_requests_total";
        /// Request attempts that await or receive their answer now.
        in_flight: Gauge => None "penstock_backend_requests_in_flight";
        /// Distinct sources tied to the member now.
        sources: Gauge => None "penstock_member_sources";
        /// Depth a connection to the member may have now, the greatest over the workers.
        depth_limit: Most => None "penstock_backend_pipeline_depth_limit";
        /// Workers in which this decides the depth.
        depth_reason: ByLabel<DepthReason, Gauge> => None "penstock_backend_pipeline_depth_reason";
        /// Least service time of late, which the depth follows; 0 before there is evidence.
        service_time: Least => Seconds "penstock_backend_service_time_seconds";
        /// 1 for the state that the member is in, 0 for the other.
        state: ByLabel<MemberState, Gauge> => None "penstock_member_state";
    }

    /// What one worker counts of itself.
    pub WorkerCells by ["worker"] {
        /// Time the worker's thread was on a CPU; its rate is the busy share.
        busy_nanos: Counter => Seconds "penstock_worker_busy_seconds_total";
        /// Client connections the worker owns.
        connections: Gauge => None "penstock_worker_connections";
        /// Bytes of requests and answers that wait in the worker's memory, for a link or for a slow client.
        buffers: Gauge => Bytes "penstock_buffer_bytes";
        /// Lateness of the worker's timer: how long a turn of the event loop keeps others waiting.
        scheduler_delay: Histogram => Seconds "penstock_scheduler_delay_seconds" whole;
        /// Panics, by the part of the code. Each is a fault of penstock that ended one client, link or tunnel and no other.
        panics: ByLabel<PanicSite, Counter> => None "penstock_panics_total" whole;
    }

    /// What the main thread counts.
    pub ProcessCells by [] {
        /// Configurations that were read again.
        reloads: ByLabel<ReloadResult, Counter> => None "penstock_config_reloads_total";
        /// When the configuration in force was taken, since the Unix epoch.
        config_loaded: Gauge => Seconds "penstock_config_last_success_timestamp_seconds";
        /// 1 while the proxy drains.
        draining: Gauge => None "penstock_draining";
        /// Failures to reopen or write the file of an access log.
        log_faults: ByLabel<LogFault, Counter> => None "penstock_access_log_faults_total";
        /// Lines of access logs that were handed to the log's thread and could not be written.
        log_lost_lines: Counter => None "penstock_access_log_lost_lines_total";
        /// Most bytes of requests and answers that may wait in the memory of all workers.
        buffers_limit: Gauge => Bytes "penstock_buffer_limit_bytes";
        /// Worker threads.
        workers: Gauge => None "penstock_workers";
    }

    /// What is known of this build.
    pub(super) BuildCells by ["version", "revision", "rustc"] {
        /// 1; the labels tell the build.
        info: Gauge => None "penstock_build_info";
    }

    /// What is known of the configuration in force.
    pub(super) ConfigCells by ["hash"] {
        /// 1; the label changes with the configuration.
        info: Gauge => None "penstock_config_info";
    }

    /// The limits of one listener.
    pub(super) ListenerLimitCells by ["listener"] {
        /// Most client connections at once; 0 where there is no limit.
        connections: Gauge => None "penstock_client_connections_limit";
    }

    /// The limits of one backend.
    pub(super) BackendLimitCells by ["backend"] {
        /// Most requests that may wait for a connection, over all members.
        waiting: Gauge => None "penstock_pool_waiting_limit";
    }

    /// The limits of one member.
    pub(super) MemberLimitCells by ["backend", "member"] {
        /// Most connections to the member; 0 where there is no limit.
        connections: Gauge => None "penstock_backend_connections_limit";
        /// Weight of the member in the affinity hash.
        weight: Gauge => None "penstock_member_weight";
    }

    /// What the scraper counts of itself.
    pub(super) ScrapeCells by [] {
        /// Scrapes begun, this one included.
        scrapes: Counter => None "penstock_scrapes_total";
        /// Time it took to write a scrape; this one is not in it yet.
        duration: Histogram => Seconds "penstock_scrape_duration_seconds";
    }

    /// What the kernel counts for the network namespace.
    pub(super) KernelCells by [] {
        /// Connections dropped because an accept queue was full; of all sockets in this network namespace.
        listen_overflows: Counter => None "penstock_kernel_listen_overflows_total";
        /// Connections dropped while listening, for any reason; of all sockets in this network namespace.
        listen_drops: Counter => None "penstock_kernel_listen_drops_total";
    }
}
