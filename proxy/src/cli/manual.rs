//! Writes man pages and shell completions from the definition of the command line, so that they say what `--help` says.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

/// Returns the completions of `penstock` for a shell.
pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut super::Cli::command(), "penstock", &mut out);
    out
}

/// Returns the man page of `penstock`.
///
/// # Errors
/// Returns an error if the page cannot be formatted.
pub(super) fn page() -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    clap_mangen::Man::new(super::Cli::command()).render(&mut out)?;
    Ok(out)
}

/// Writes the man pages of `penstock` and of all its commands into a directory that exists.
///
/// # Errors
/// Returns an error if a page cannot be written.
pub(super) fn write_pages(directory: &Path) -> io::Result<()> {
    let command: Command = super::Cli::command();
    clap_mangen::generate_to(command, directory)
}
