//! Runs each file that a fuzzer has found, and the seeds, through the check that it once broke (`fuzz/src`).
//!
//! The files are in `fuzz/regressions/` and `fuzz/seeds/`, in a folder for each target.

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public to the targets in fuzz/")]
mod checks;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use checks::TARGETS;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names in a folder; none where there is no such folder.
fn names(folder: &Path) -> BTreeSet<String> {
    if !folder.exists() {
        return BTreeSet::new();
    }
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Runs every file below `folder` through the check of its target; how many there were, or which fail.
fn run_all(folder: &Path) -> usize {
    let (mut count, mut failed) = (0, Vec::new());
    for (target, check) in TARGETS {
        for name in names(&folder.join(target)) {
            let file = folder.join(target).join(&name);
            let bytes = fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            count += 1;
            if catch_unwind(|| check(&bytes)).is_err() {
                failed.push(format!("{target}/{name}: {}", bytes.escape_ascii()));
            }
        }
    }
    assert!(failed.is_empty(), "these break a promise (see above):\n{}", failed.join("\n"));
    count
}

#[test]
fn what_was_found_stays_found() {
    assert!(run_all(&repository().join("fuzz/regressions")) > 0);
}

#[test]
fn seeds_keep_all_promises() {
    assert!(run_all(&repository().join("fuzz/seeds")) >= 8 * 10);
}

#[test]
fn each_check_is_a_target_with_seeds() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&repository().join("fuzz/seeds")), targets);
    assert!(names(&repository().join("fuzz/regressions")).is_subset(&targets));
    let files = names(&repository().join("fuzz/fuzz_targets"));
    assert_eq!(files, targets.iter().map(|name| format!("{name}.rs")).collect());
    let manifest = fs::read_to_string(repository().join("fuzz/Cargo.toml")).expect("a manifest");
    for name in targets {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not built");
    }
}
