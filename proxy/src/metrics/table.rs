//! Declares every metric of penstock once: field, cell, unit, name and help text.

use super::values::{
    AcceptError, Acquire, AttemptCode, CheckResult, ClientClose, ClientReject, ClientState, CodeClass,
    ConnectError, DepthReason, HoldReason, LinkClose, LinkState, LogFault, LogLine, Lookup, MemberState,
    Move, PipelineFault, ReloadResult, RequestFailure, RetryReason, RetryResult,
};
use super::{AgeHistogram, ByLabel, CountHistogram, Counter, DepthHistogram, Gauge, Histogram, Least, Most};
use crate::cause::Cause;
use crate::event_loop::PanicSite;

cell_sets! {
    /// The counters of one worker for one listener.
    pub ListenerCells by ["listener"] {
        /// Open client connections by state. Compare the sum over the states with
        /// penstock_client_connections_limit.
        connections: ByLabel<ClientState, Gauge> => None "penstock_client_connections";
        /// Client connections that were accepted.
        accepted: Counter => None "penstock_client_connections_accepted_total";
        /// Client connections that were closed, by who closed them and why.
        closed: ByLabel<ClientClose, Counter> => None "penstock_client_connections_closed_total";
        /// Clients that were refused when they were accepted or right after.
        rejected: ByLabel<ClientReject, Counter> => None "penstock_client_connections_rejected_total";
        /// Failures of accept(2), and pauses in accepting (reserve) because the remaining descriptors are
        /// kept for connections to members.
        accept_errors: ByLabel<AcceptError, Counter> => None "penstock_accept_errors_total";
        /// Bytes read from clients.
        received_bytes: Counter => Bytes "penstock_client_received_bytes_total";
        /// Bytes written to clients.
        sent_bytes: Counter => Bytes "penstock_client_sent_bytes_total";
        /// Bytes of tunnels in both directions that went from socket to socket without being copied
        /// (splice(2)). Compare with the received bytes of clients and members.
        spliced_bytes: Counter => Bytes "penstock_tunnel_spliced_bytes_total";
        /// Requests whose head was read and whose answer has not ended.
        in_flight: Gauge => None "penstock_requests_in_flight";
        /// Requests on a client connection, observed when the connection closes.
        connection_requests: CountHistogram => None "penstock_client_connection_requests";
        /// Age of a client connection, observed when the connection closes.
        connection_duration: AgeHistogram => Seconds "penstock_client_connection_duration_seconds";
        /// Requests that arrived before the answer to the previous request of their connection had ended.
        pipelined: Counter => None "penstock_client_pipelined_requests_total";
        /// Lines of the access log by result. A line is dropped if the thread that writes the log is too far
        /// behind.
        log_lines: ByLabel<LogLine, Counter> => None "penstock_access_log_lines_total";
    }

    /// The counters of one worker for one listener and the backend of its requests.
    pub RouteCells by ["listener", "backend"] {
        /// Answers to clients by class of the status code, including answers that the proxy generated.
        requests: ByLabel<CodeClass, Counter> => None "penstock_requests_total";
        /// Failed requests by cause. A request fails if the proxy answers it with an error of its own or an
        /// exchange is cut short.
        errors: ByLabel<Cause, Counter> => None "penstock_request_errors_total";
        /// Time from the first byte of a request to the last byte of its answer.
        duration: Histogram => Seconds "penstock_request_duration_seconds";
        /// Part of the request duration that the proxy added by queueing and work.
        overhead: Histogram => Seconds "penstock_request_overhead_seconds";
    }

    /// The counters of one worker for one backend.
    pub BackendCells by ["backend"] {
        /// Time that a successful connect to a member took.
        connect_duration: Histogram => Seconds "penstock_backend_connect_duration_seconds";
        /// Time from the last byte of a request sent to a member to the first byte of its answer.
        response_duration: Histogram => Seconds "penstock_backend_response_duration_seconds";
        /// Requests on a connection to a member, observed when the connection closes.
        connection_requests: CountHistogram => None "penstock_backend_connection_requests";
        /// Requests in flight on the chosen connection, this one included, observed for requests that may
        /// share a connection.
        pipeline_depth: DepthHistogram => None "penstock_backend_pipeline_depth";
        /// Attempts of requests to get a connection to a member, by result.
        acquires: ByLabel<Acquire, Counter> => None "penstock_pool_acquires_total";
        /// Time that an attempt waited for a connection. Attempts that did not wait are in the first bucket.
        pool_wait: Histogram => Seconds "penstock_pool_wait_seconds";
        /// Requests that are waiting for a connection. Compare with penstock_pool_waiting_limit.
        waiting: Gauge => None "penstock_pool_waiting";
        /// Requests that were sent a second time, or could have been, by reason and result.
        retries: ByLabel<RetryReason, ByLabel<RetryResult, Counter>> => None "penstock_retries_total";
        /// Times that a connection took no more requests until it was empty, by the reason. Slow, large and
        /// reader concern its first answer.
        held: ByLabel<HoldReason, Counter> => None "penstock_backend_connections_held_total";
        /// Violations of the rules of pipelining by members, by kind. One violation ends pipelining to the
        /// member until the member is proven again.
        offences: ByLabel<PipelineFault, Counter> => None "penstock_backend_offences_total";
        /// Clients by the way in which they found their member. A hit is a known source at the same member as
        /// before.
        affinity: ByLabel<Lookup, Counter> => None "penstock_affinity_lookups_total";
        /// Known sources that moved to another member. member_back counts moves of connected clients to their
        /// first choice, and member_down all others: the member was down or left the configuration, or a
        /// client arrived at another member than the source had.
        affinity_moves: ByLabel<Move, Counter> => None "penstock_affinity_moves_total";
        /// Sources that are assigned to a member.
        affinity_entries: Gauge => None "penstock_affinity_entries";
    }

    /// The counters of one worker for one member.
    pub MemberCells by ["backend", "member"] {
        /// Connections to the member by state. Compare the sum with penstock_backend_connections_limit.
        connections: ByLabel<LinkState, Gauge> => None "penstock_backend_connections";
        /// Connections to the member that were opened.
        opened: Counter => None "penstock_backend_connections_opened_total";
        /// Connections to the member that were closed, by who closed them and why.
        closed: ByLabel<LinkClose, Counter> => None "penstock_backend_connections_closed_total";
        /// Attempts to connect to the member that failed, by cause.
        connect_errors: ByLabel<ConnectError, Counter> => None "penstock_backend_connect_errors_total";
        /// Bytes written to the member.
        sent_bytes: Counter => Bytes "penstock_backend_sent_bytes_total";
        /// Bytes read from the member.
        received_bytes: Counter => Bytes "penstock_backend_received_bytes_total";
        /// Attempts to send a request to the member, by class of the answer's status code, or none.
        requests: ByLabel<AttemptCode, Counter> => None "penstock_backend_requests_total";
        /// Requests that the member failed after it got them, by cause: it closed or reset the connection (of a
        /// tunnel: before its first byte), did not answer in time, or sent an invalid answer.
        failures: ByLabel<RequestFailure, Counter> => None "penstock_backend_request_failures_total";
        /// Attempts that are waiting for their answer or receiving it.
        in_flight: Gauge => None "penstock_backend_requests_in_flight";
        /// Distinct sources that are assigned to the member. Compare with penstock_member_weight.
        sources: Gauge => None "penstock_member_sources";
        /// Number of requests that a connection to the member may carry at once, the greatest over the
        /// workers.
        depth_limit: Most => None "penstock_backend_pipeline_depth_limit";
        /// Number of workers in which this reason determines the depth limit.
        depth_reason: ByLabel<DepthReason, Gauge> => None "penstock_backend_pipeline_depth_reason";
        /// Shortest recent service time of the member, on which the depth limit is based; 0 without evidence.
        service_time: Least => Seconds "penstock_backend_service_time_seconds";
        /// 1 for the present state of the member, 0 for the others.
        state: ByLabel<MemberState, Gauge> => None "penstock_member_state";
    }

    /// The counters of one worker for itself.
    pub WorkerCells by ["worker"] {
        /// Time that the worker's thread was on a CPU. Its rate is the busy share of one CPU.
        busy_nanos: Counter => Seconds "penstock_worker_busy_seconds_total";
        /// Client connections that the worker serves.
        connections: Gauge => None "penstock_worker_connections";
        /// Bytes of requests and answers that wait in the worker's memory for a connection or for a slow
        /// client. Compare the sum with penstock_buffer_limit_bytes.
        buffers: Gauge => Bytes "penstock_buffer_bytes";
        /// Lateness of the worker's timers, which shows how long a turn of the event loop delays other
        /// clients.
        scheduler_delay: Histogram => Seconds "penstock_scheduler_delay_seconds" whole;
        /// Panics, by the part of the code. A panic is a fault of penstock that ended one client, link or
        /// tunnel and no other.
        panics: ByLabel<PanicSite, Counter> => None "penstock_panics_total" whole;
    }

    /// The counters of the main thread.
    pub ProcessCells by [] {
        /// Reloads of the configuration, by result.
        reloads: ByLabel<ReloadResult, Counter> => None "penstock_config_reloads_total";
        /// Time since the Unix epoch at which the current configuration was adopted.
        config_loaded: Gauge => Seconds "penstock_config_last_success_timestamp_seconds";
        /// 1 while the proxy drains, otherwise 0.
        draining: Gauge => None "penstock_draining";
        /// Failures to reopen or write the file of an access log.
        log_faults: ByLabel<LogFault, Counter> => None "penstock_access_log_faults_total";
        /// Lines of access logs that reached the writing thread and could not be written.
        log_lost_lines: Counter => None "penstock_access_log_lost_lines_total";
        /// Limit of the bytes of requests and answers that wait in the memory of all workers.
        buffers_limit: Gauge => Bytes "penstock_buffer_limit_bytes";
        /// Number of worker threads.
        workers: Gauge => None "penstock_workers";
    }

    /// The description of this build.
    pub(super) BuildCells by ["version", "revision", "rustc"] {
        /// Always 1. The labels describe the build.
        info: Gauge => None "penstock_build_info";
    }

    /// The description of the current configuration.
    pub(super) ConfigCells by ["hash"] {
        /// Always 1. The label changes with the configuration.
        info: Gauge => None "penstock_config_info";
    }

    /// The limits of one listener.
    pub(super) ListenerLimitCells by ["listener"] {
        /// Largest number of client connections at a time; 0 if there is no limit.
        connections: Gauge => None "penstock_client_connections_limit";
    }

    /// The limits of one backend.
    pub(super) BackendLimitCells by ["backend"] {
        /// Largest number of requests that may wait for a connection, over all members.
        waiting: Gauge => None "penstock_pool_waiting_limit";
    }

    /// The limits of one member.
    pub(super) MemberLimitCells by ["backend", "member"] {
        /// Largest number of connections to the member; 0 if there is no limit.
        connections: Gauge => None "penstock_backend_connections_limit";
        /// Weight of the member in the affinity hash.
        weight: Gauge => None "penstock_member_weight";
    }

    /// The counters of the checks of one backend's members.
    pub BackendCheckCells by ["backend"] {
        /// Time that a check of a member took, connecting included.
        duration: Histogram => Seconds "penstock_health_check_duration_seconds";
    }

    /// The counters of the checks of one member.
    pub MemberCheckCells by ["backend", "member"] {
        /// Checks of the member, by result.
        checks: ByLabel<CheckResult, Counter> => None "penstock_health_checks_total";
    }

    /// The counters of the ejections of one member.
    pub MemberEjectionCells by ["backend", "member"] {
        /// Times that the member was ejected because it failed too many requests.
        ejections: Counter => None "penstock_member_ejections_total";
    }

    /// The counters of the scraper.
    pub(super) ScrapeCells by [] {
        /// Scrapes that have begun, including this one.
        scrapes: Counter => None "penstock_scrapes_total";
        /// Time that rendering a scrape took, without this one.
        duration: Histogram => Seconds "penstock_scrape_duration_seconds";
    }

    /// The kernel's counters for the network namespace.
    pub(super) KernelCells by [] {
        /// Connections that the kernel dropped because an accept queue was full, of all sockets in this
        /// network namespace.
        listen_overflows: Counter => None "penstock_kernel_listen_overflows_total";
        /// Connections that the kernel dropped while listening for any reason, of all sockets in this network
        /// namespace.
        listen_drops: Counter => None "penstock_kernel_listen_drops_total";
    }
}
