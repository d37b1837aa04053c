//! Mistakes in a configuration, each with its place, its field and a hint, and how they are printed.

use std::error::Error;
use std::fmt;

/// A place in the file: line and column, both from 1; line 0 where no line can be named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// One thing that is wrong, or (as a warning) looks wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as it was named to us.
    pub file: String,
    /// The line, from 1; 0 where the mistake concerns the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 where the mistake concerns the file as a whole.
    pub column: usize,
    /// The field's path, as in `listeners.web.bind`; empty where no field is concerned.
    pub field: String,
    /// What is wrong, and a hint.
    pub text: String,
}

/// Every mistake of one file, in the order of the file. Prints one line each, then their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Diagnostic>);

impl ConfigError {
    /// The mistakes, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ConfigError {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}", self.text)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in self {
            writeln!(f, "{mistake}")?;
        }
        let plural = if self.0.len() == 1 { "" } else { "s" };
        let file = self.0.first().map_or("", |mistake| &mistake.file);
        write!(f, "{} mistake{plural} in {file}", self.0.len())
    }
}

impl Error for ConfigError {}

/// Collects while a file is read, so that all mistakes are told at once.
#[derive(Debug)]
pub(super) struct Diagnostics {
    file: String,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// Notes what keeps the file from being believed.
    pub(super) fn error(&mut self, at: Position, field: &str, text: impl AsRef<str>) {
        let mistake = self.note(at, field, text.as_ref());
        self.errors.push(mistake);
    }

    /// Notes what looks wrong, yet can be believed.
    pub(super) fn warning(&mut self, at: Position, field: &str, text: impl AsRef<str>) {
        let warning = self.note(at, field, text.as_ref());
        self.warnings.push(warning);
    }

    /// Whether something was wrong inside of the field with this path.
    pub(super) fn has_mistake_in(&self, path: &str) -> bool {
        let path = printable(path);
        let inside = |field: &str| field.strip_prefix(&path).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.errors.iter().any(|mistake| inside(&mistake.field))
    }

    /// What came of the file: `value` and the warnings, if there was no mistake.
    pub(super) fn verdict<T>(mut self, value: Option<T>) -> Result<(T, Vec<Diagnostic>), ConfigError> {
        if value.is_none() && self.errors.is_empty() {
            // Each value that is absent was noted when it was read; should that ever fail, fail here.
            self.error(Position::default(), "", "cannot be understood");
        }
        let place = |m: &Diagnostic| (m.line, m.column);
        self.errors.sort_by_key(place);
        self.warnings.sort_by_key(place);
        match value {
            Some(value) if self.errors.is_empty() => Ok((value, self.warnings)),
            _ => Err(ConfigError(self.errors)),
        }
    }

    fn note(&self, at: Position, field: &str, text: &str) -> Diagnostic {
        let (field, text) = (printable(field), printable(text));
        Diagnostic { file: self.file.clone(), line: at.line, column: at.column, field, text }
    }
}

/// Returns a number of bytes in words.
pub(super) fn bytes(n: usize) -> String {
    if n == 1 { "1 byte".to_owned() } else { format!("{n} bytes") }
}

/// One line for each mistake, whatever the file holds.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
