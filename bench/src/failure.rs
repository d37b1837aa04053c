//! Defines why a command could not do its work, and the exit status that says so.

use std::fmt;

use crate::interrupt;

/// The reason, as one line with a hint. Answers that were wrong during a load are no failure of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The arguments, or a file that they name, cannot be used.
    Arguments(String),
    /// A server cannot be reached, or answers wrongly before any load.
    Server(String),
    /// This machine lacks something: open files, a free port, a program.
    Machine(String),
    /// Ctrl-C came before anything was measured.
    Interrupted,
}

impl Failure {
    /// Returns the exit status. 1 is left to answers that were wrong.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Arguments(_) => 2,
            Self::Server(_) => 3,
            Self::Machine(_) => 4,
            Self::Interrupted => interrupt::STATUS,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments(words) | Self::Server(words) | Self::Machine(words) => f.write_str(words),
            Self::Interrupted => f.write_str("interrupted before anything was measured"),
        }
    }
}
