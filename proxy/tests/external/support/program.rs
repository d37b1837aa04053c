//! Finds the programs that the tests drive, and knows what Debian calls their packages.
//!
//! Where one is missing, a test is skipped, or fails if nothing may be missing.

use std::path::PathBuf;
use std::process::Command;

/// The Python of Debian, where there are several: only it has Debian's packages.
pub(crate) const DEBIAN_PYTHON: Program = Program::new("/usr/bin/python3", "python3");

/// A program that comes with a Debian package.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
}

impl Program {
    pub(crate) const fn new(name: &'static str, package: &'static str) -> Self {
        Self { name, package }
    }

    /// Where it is.
    #[track_caller]
    pub(crate) fn path(self) -> PathBuf {
        self.find().unwrap_or_else(|| panic!("{} was not asked for", self.name))
    }

    fn find(self) -> Option<PathBuf> {
        places().into_iter().map(|place| place.join(self.name)).find(|path| path.is_file())
    }
}

/// Whether all of them are here. With `PENSTOCK_TEST_ALL=1` it is a failure when they are not.
#[track_caller]
pub(crate) fn are_here(programs: &[Program]) -> bool {
    let Some(missing) = programs.iter().find(|program| program.find().is_none()) else { return true };
    skip(&format!("needs {} (Debian: {})", missing.name, missing.package))
}

/// Whether Debian's Python has Twisted.
#[track_caller]
pub(crate) fn has_twisted() -> bool {
    let import = Command::new("/usr/bin/python3").args(["-c", "import twisted.web"]).output();
    import.is_ok_and(|output| output.status.success()) || skip("needs Twisted (Debian: python3-twisted)")
}

#[track_caller]
fn skip(said: &str) -> bool {
    assert!(std::env::var("PENSTOCK_TEST_ALL").as_deref() != Ok("1"), "{said}");
    println!("SKIPPED: {said}");
    false
}

/// `PATH`, what only root has in it, and where Debian puts PostgreSQL's own programs: the newest first.
fn places() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<_> = versions.map(|version| version.path()).collect();
    versions.sort_by_key(|path| path.file_name().and_then(|v| v.to_str()?.parse::<u32>().ok()));
    places.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    places
}
