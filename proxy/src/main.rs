//! Starts the `penstock` command and sets the allocator of its process. `cli` has the arguments.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The options of jemalloc (see its `TUNING.md`). By default jemalloc returns memory only in the course of
/// further allocations, so that an idle process would keep what a burst took. A background thread, which
/// sleeps while there is nothing to return, does so within about ten seconds and costs the workers nothing.
#[allow(unsafe_code, reason = "jemalloc finds it by this name, before `main`")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 48] = b"background_thread:true,max_background_threads:1\0";

fn main() -> ExitCode {
    penstock::cli::main()
}
