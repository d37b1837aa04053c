//! The `penstock` command, and the allocator of its process.
//! In: arguments. Out: an exit code.
//! Knows nothing of what they mean; `cli` does.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    penstock::cli::main()
}
