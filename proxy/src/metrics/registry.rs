//! Gives workers their cells, and renders `/metrics`.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, TextEncoder};

use super::cell_map::CellMap;
use super::collect::{CellCollector, CellMaps};
use super::kernel;
use super::table::{
    BackendCells, BackendCheckCells, BuildCells, KernelCells, ListenerCells, MemberCells, MemberCheckCells,
    MemberEjectionCells, ProcessCells, RouteCells, ScrapeCells, WorkerCells,
};
use super::values::MemberState;

/// All metrics of this process. Clones share them.
///
/// Each handle is for one writing thread: the worker whose number was given, or the main thread for
/// [`Registry::process`]. The same names return the same cells, so that counters survive a reload that keeps
/// a name. A name is exported while one of its handles is held. A worker number beyond that of
/// [`Registry::new`] is a panic.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    cell_maps: Arc<CellMaps>,
    exposition: prometheus::Registry,
    process: Arc<ProcessCells>,
    // The cells of the scraping thread; the lock makes sure that there is one at a time.
    scrape: Mutex<(Arc<ScrapeCells>, Arc<KernelCells>)>,
    // The worker threads, by their number in the kernel.
    threads: Mutex<Vec<(i32, Arc<WorkerCells>)>>,
    // The cells that describe the current configuration.
    config: Mutex<Vec<Handle>>,
    // Cells that are always exported.
    _kept: Vec<Handle>,
}

/// Cells that are held only so that they are exported.
type Handle = Arc<dyn Any + Send + Sync>;

/// The configured limits.
#[derive(Clone, Debug, Default)]
pub struct Limits<'a> {
    /// The listeners by name, and the largest number of clients of each, if it is limited.
    pub clients: Vec<(&'a str, Option<usize>)>,
    /// The backends.
    pub backends: Vec<BackendLimits<'a>>,
}

/// The configured limits of one backend.
#[derive(Clone, Debug)]
pub struct BackendLimits<'a> {
    /// The backend's name.
    pub name: &'a str,
    /// The number of requests that may wait for a link, over all members.
    pub waiting: u64,
    /// The members.
    pub members: Vec<MemberLimits<'a>>,
}

/// The configured limits of one member.
#[derive(Clone, Copy, Debug)]
pub struct MemberLimits<'a> {
    /// The member's name.
    pub name: &'a str,
    /// The largest number of links, if it is limited.
    pub links: Option<u32>,
    /// The weight in the affinity hash.
    pub weight: u32,
}

impl Registry {
    /// Makes a registry for this number of workers, which are numbered from 0.
    ///
    /// # Panics
    /// If two metrics of the table have the same name or an invalid one, which a test would find.
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

    /// Returns the cells of `worker` for a listener.
    #[must_use]
    pub fn listener(&self, worker: usize, name: &str) -> Arc<ListenerCells> {
        self.0.cell_maps.listeners.cells(worker, &[name])
    }

    /// Returns the cells of `worker` for the requests of a listener that go to a backend.
    #[must_use]
    pub fn route(&self, worker: usize, listener: &str, backend: &str) -> Arc<RouteCells> {
        self.0.cell_maps.routes.cells(worker, &[listener, backend])
    }

    /// Returns the cells of `worker` for a backend.
    #[must_use]
    pub fn backend(&self, worker: usize, name: &str) -> Arc<BackendCells> {
        self.0.cell_maps.backends.cells(worker, &[name])
    }

    /// Returns the cells of `worker` for a member of a backend. A new member is up.
    #[must_use]
    pub fn member(&self, worker: usize, backend: &str, member: &str) -> Arc<MemberCells> {
        let up = |cells: &MemberCells| cells.state[MemberState::Up].set(1);
        self.0.cell_maps.members.cells_or(worker, &[backend, member], up)
    }

    /// Returns the cells of `worker` for itself.
    #[must_use]
    pub fn worker(&self, worker: usize) -> Arc<WorkerCells> {
        worker_cells(&self.0.cell_maps, worker)
    }

    /// Sets the thread of a worker. A scrape reads from the kernel how long the thread was on a CPU, so that
    /// the worker need not read the clock.
    pub fn follow_thread(&self, worker: usize, thread: i32) {
        let cells = self.worker(worker);
        self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).push((thread, cells));
    }

    /// Returns the cells for the checks of a backend's members. One thread makes all checks.
    #[must_use]
    pub fn backend_checks(&self, backend: &str) -> Arc<BackendCheckCells> {
        self.0.cell_maps.backend_checks.cells(0, &[backend])
    }

    /// Returns the cells for the checks of a member of a backend.
    #[must_use]
    pub fn member_checks(&self, backend: &str, member: &str) -> Arc<MemberCheckCells> {
        self.0.cell_maps.member_checks.cells(0, &[backend, member])
    }

    /// Returns the cells for the ejections of a member of a backend. One thread ejects all members.
    #[must_use]
    pub fn member_ejections(&self, backend: &str, member: &str) -> Arc<MemberEjectionCells> {
        self.0.cell_maps.member_ejections.cells(0, &[backend, member])
    }

    /// Returns the cells of the main thread.
    #[must_use]
    pub fn process(&self) -> Arc<ProcessCells> {
        self.0.process.clone()
    }

    /// Exports the configuration that is in force from `now` on, in place of the previous one. The main
    /// thread calls this.
    pub fn set_config(&self, hash: &str, now: SystemTime, limits: &Limits<'_>) {
        let new = config_handles(&self.0.cell_maps, hash, limits);
        *self.0.config.lock().unwrap_or_else(PoisonError::into_inner) = new;
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.process.config_loaded.set(nanos(since_epoch).cast_signed());
    }

    /// Returns all metrics in the text format of Prometheus, version 0.0.4.
    ///
    /// This reads every cell and writes some kilobytes for each listener, route, backend and member, so a
    /// worker must not call it.
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

    /// Returns the `Content-Type` of [`Registry::render`].
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
        backend_checks: CellMap::new(1),
        member_checks: CellMap::new(1),
        member_ejections: CellMap::new(1),
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

/// Sets the information about the build, which the environment gives the compiler; without it revision and
/// compiler are unknown.
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
            // 0 stands for no limit, as the help text says.
            cells.connections.set(member.links.unwrap_or(0).into());
            cells.weight.set(member.weight.into());
            handles.push(cells);
        }
    }
    handles
}

/// Reads the kernel's counts. If the kernel does not report them, they stay unchanged.
fn follow_kernel(cells: &KernelCells) {
    let netstat = std::fs::read_to_string(kernel::PATH).unwrap_or_default();
    if let Some((overflows, drops)) = kernel::listen_counts(&netstat) {
        cells.listen_overflows.follow(overflows);
        cells.listen_drops.follow(drops);
    }
}

/// Converts a duration to nanoseconds, of which 584 years fit.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
