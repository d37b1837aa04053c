//! The entry to the metrics: workers take their cells here, and `/metrics` is written here.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, TextEncoder};

use super::cell_map::CellMap;
use super::collect::{CellCollector, CellMaps};
use super::kernel;
use super::table::{
    BackendCells, BuildCells, KernelCells, ListenerCells, MemberCells, ProcessCells, RouteCells, ScrapeCells,
    WorkerCells,
};
use super::values::MemberState;

/// All metrics of this process. A clone is the same registry.
///
/// Each handle it gives out is for ONE writing thread: the worker whose number was named, or the main
/// thread for [`Registry::process`]. Asking twice gives the same cells, so a reload that keeps a name
/// keeps its counters. A name is exported while any of its handles is held. Naming a worker that
/// [`Registry::new`] was not told of is a panic.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    cell_maps: Arc<CellMaps>,
    exposition: prometheus::Registry,
    process: Arc<ProcessCells>,
    // Written by whoever scrapes; the lock makes that one thread at a time.
    scrape: Mutex<(Arc<ScrapeCells>, Arc<KernelCells>)>,
    // The threads of workers, by the kernel's number.
    threads: Mutex<Vec<(i32, Arc<WorkerCells>)>>,
    // What the configuration in force says.
    config: Mutex<Vec<Handle>>,
    // Exported from the start to the end.
    _kept: Vec<Handle>,
}

/// Cells that are held only so that they are exported.
type Handle = Arc<dyn Any + Send + Sync>;

/// What is limited, as configured.
#[derive(Clone, Debug, Default)]
pub struct Limits<'a> {
    /// Listeners by name, and the most clients each may have, if there is a limit.
    pub clients: Vec<(&'a str, Option<usize>)>,
    /// Backends.
    pub backends: Vec<BackendLimits<'a>>,
}

/// The limits of one backend, as configured.
#[derive(Clone, Debug)]
pub struct BackendLimits<'a> {
    /// The backend's name.
    pub name: &'a str,
    /// Most requests that may wait for a link, over all its members.
    pub waiting: u64,
    /// Its members.
    pub members: Vec<MemberLimits<'a>>,
}

/// The limits of one member, as configured.
#[derive(Clone, Copy, Debug)]
pub struct MemberLimits<'a> {
    /// The member's name.
    pub name: &'a str,
    /// Most links to it, if there is a limit.
    pub links: Option<u32>,
    /// Its weight in the affinity hash.
    pub weight: u32,
}

impl Registry {
    /// A registry for this many workers, numbered from 0.
    ///
    /// # Panics
    /// If two metrics of the table have one name, or a name Prometheus does not allow; a test sees to it.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let cell_maps = Arc::new(cell_maps(workers));
        let exposition = prometheus::Registry::new();
        CellCollector::new(cell_maps.clone())
            .and_then(|cells| exposition.register(Box::new(cells)))
            .and_then(|()| exposition.register(Box::new(ProcessCollector::for_self())))
            .expect("the table's names are valid and each stands there once: `tests` builds a registry");
        let process = cell_maps.process.cells(0, &[]);
        process.workers.set(i64::try_from(workers).unwrap_or(i64::MAX));
        Self(Arc::new(Inner {
            exposition,
            process,
            scrape: Mutex::new((cell_maps.scrape.cells(0, &[]), cell_maps.kernel.cells(0, &[]))),
            threads: Mutex::default(),
            config: Mutex::default(),
            _kept: kept(&cell_maps, workers),
            cell_maps,
        }))
    }

    /// What `worker` counts for a listener.
    #[must_use]
    pub fn listener(&self, worker: usize, name: &str) -> Arc<ListenerCells> {
        self.0.cell_maps.listeners.cells(worker, &[name])
    }

    /// What `worker` counts for the requests of a listener that go to a backend.
    #[must_use]
    pub fn route(&self, worker: usize, listener: &str, backend: &str) -> Arc<RouteCells> {
        self.0.cell_maps.routes.cells(worker, &[listener, backend])
    }

    /// What `worker` counts for a backend.
    #[must_use]
    pub fn backend(&self, worker: usize, name: &str) -> Arc<BackendCells> {
        self.0.cell_maps.backends.cells(worker, &[name])
    }

    /// What `worker` counts for a member of a backend. A new member is up.
    #[must_use]
    pub fn member(&self, worker: usize, backend: &str, member: &str) -> Arc<MemberCells> {
        let up = |cells: &MemberCells| cells.state[MemberState::Up].set(1);
        self.0.cell_maps.members.cells_or(worker, &[backend, member], up)
    }

    /// What `worker` counts of itself.
    #[must_use]
    pub fn worker(&self, worker: usize) -> Arc<WorkerCells> {
        worker_cells(&self.0.cell_maps, worker)
    }

    /// The thread of a worker: the time it was on a CPU is read from the kernel when a scrape asks for it, so
    /// that the worker itself need not look at the clock.
    pub fn follow_thread(&self, worker: usize, thread: i32) {
        let cells = self.worker(worker);
        self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).push((thread, cells));
    }

    /// What the main thread counts.
    #[must_use]
    pub fn process(&self) -> Arc<ProcessCells> {
        self.0.process.clone()
    }

    /// Shows the configuration that is in force from `now` on, in place of the one before. Called by the
    /// main thread.
    pub fn set_config(&self, hash: &str, now: SystemTime, limits: &Limits<'_>) {
        let new = config_handles(&self.0.cell_maps, hash, limits);
        *self.0.config.lock().unwrap_or_else(PoisonError::into_inner) = new;
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.process.config_loaded.set(nanos(since_epoch).cast_signed());
    }

    /// All metrics in the text format of Prometheus, version 0.0.4.
    ///
    /// It reads every cell and writes some kilobytes for each listener, route, backend and member: not
    /// for a worker's thread.
    #[must_use]
    pub fn render(&self) -> String {
        let scrape = self.0.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, kernel) = &*scrape;
        let begun = Instant::now();
        own.scrapes.inc();
        follow_kernel(kernel);
        self.follow_threads();
        let text = TextEncoder::new()
            .encode_to_string(&self.0.exposition.gather())
            .expect("the encoder refuses only families without name or samples, and gather drops those");
        own.duration.observe_nanos(nanos(begun.elapsed()));
        text
    }

    fn follow_threads(&self) {
        for (thread, cells) in self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let schedstat = std::fs::read_to_string(kernel::schedstat(*thread)).unwrap_or_default();
            if let Some(on_cpu) = schedstat.split(' ').next().and_then(|word| word.parse().ok()) {
                cells.busy_nanos.follow(on_cpu);
            }
        }
    }

    /// The `Content-Type` of [`Registry::render`].
    #[must_use]
    pub fn content_type() -> String {
        TextEncoder::new().format_type().to_owned()
    }
}

fn cell_maps(workers: usize) -> CellMaps {
    CellMaps {
        listeners: CellMap::new(workers),
        routes: CellMap::new(workers),
        backends: CellMap::new(workers),
        members: CellMap::new(workers),
        workers: CellMap::new(1),
        process: CellMap::new(1),
        build: CellMap::new(1),
        config: CellMap::new(1),
        listener_limits: CellMap::new(1),
        backend_limits: CellMap::new(1),
        member_limits: CellMap::new(1),
        scrape: CellMap::new(1),
        kernel: CellMap::new(1),
    }
}

fn kept(cell_maps: &CellMaps, workers: usize) -> Vec<Handle> {
    let workers = (0..workers).map(|worker| worker_cells(cell_maps, worker) as Handle);
    workers.chain([build_cells(cell_maps) as Handle]).collect()
}

fn worker_cells(cell_maps: &CellMaps, worker: usize) -> Arc<WorkerCells> {
    cell_maps.workers.cells(0, &[&worker.to_string()])
}

/// The build tells its revision and compiler through the environment; without them they are unknown.
fn build_cells(cell_maps: &CellMaps) -> Arc<BuildCells> {
    let revision = option_env!("PENSTOCK_REVISION").unwrap_or("unknown");
    let rustc = option_env!("PENSTOCK_RUSTC").unwrap_or("unknown");
    let build = cell_maps.build.cells(0, &[env!("CARGO_PKG_VERSION"), revision, rustc]);
    build.info.set(1);
    build
}

fn config_handles(cell_maps: &CellMaps, hash: &str, limits: &Limits<'_>) -> Vec<Handle> {
    let info = cell_maps.config.cells(0, &[hash]);
    info.info.set(1);
    let mut handles: Vec<Handle> = vec![info];
    for (listener, most) in &limits.clients {
        let cells = cell_maps.listener_limits.cells(0, &[listener]);
        cells.connections.set(i64::try_from(most.unwrap_or(0)).unwrap_or(i64::MAX));
        handles.push(cells);
    }
    for backend in &limits.backends {
        let cells = cell_maps.backend_limits.cells(0, &[backend.name]);
        cells.waiting.set(i64::try_from(backend.waiting).unwrap_or(i64::MAX));
        handles.push(cells);
        for member in &backend.members {
            let cells = cell_maps.member_limits.cells(0, &[backend.name, member.name]);
            cells.connections.set(member.links.unwrap_or(0).into());
            cells.weight.set(member.weight.into());
            handles.push(cells);
        }
    }
    handles
}

/// A kernel that does not tell leaves the counts where they are.
fn follow_kernel(cells: &KernelCells) {
    let netstat = std::fs::read_to_string(kernel::PATH).unwrap_or_default();
    if let Some((overflows, drops)) = kernel::listen_counts(&netstat) {
        cells.listen_overflows.follow(overflows);
        cells.listen_drops.follow(drops);
    }
}

/// 584 years fit.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
