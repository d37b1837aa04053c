//! The `penstock` command, and the allocator of its process. `cli` has the arguments.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc goes by (its `TUNING.md`). By itself it gives memory back only in the course of further allocations, so a
/// process that has become idle would keep what a burst took. A thread of its own, which sleeps while there is nothing to
/// be given back, does that within about ten seconds; the workers have no more to do with it.
#[allow(unsafe_code, reason = "jemalloc finds it by this name, before `main`")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: &[u8; 48] = b"background_thread:true,max_background_threads:1\0";

fn main() -> ExitCode {
    penstock::cli::main()
}
