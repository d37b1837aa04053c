//! Tells the program its git revision and compiler, for `penstock_build_info`.
//!
//! It sets `PENSTOCK_REVISION` and `PENSTOCK_RUSTC`, or nothing where git or rustc say nothing. It never fails a build.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PENSTOCK_REVISION");
    println!("cargo:rerun-if-changed=build.rs");
    tell("PENSTOCK_REVISION", given("PENSTOCK_REVISION").or_else(revision));
    let rustc = given("RUSTC").unwrap_or_else(|| "rustc".to_owned());
    tell("PENSTOCK_RUSTC", output(&rustc, &["--version"]).and_then(|line| version(&line)));
}

fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What is not told is shown as `unknown`.
fn tell(name: &str, value: Option<String>) {
    if let Some(value) = value {
        println!("cargo:rustc-env={name}={value}");
    }
}

/// The commit, if this workspace is what git looks after: not a copy inside somebody else's repository.
fn revision() -> Option<String> {
    let top = output("git", &["rev-parse", "--show-toplevel"])?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    if Path::new(&top).canonicalize().ok()? != workspace.canonicalize().ok()? {
        return None;
    }
    watch_head();
    output("git", &["rev-parse", "--short=12", "HEAD"])
}

/// Every commit and every checkout is written to these. A file that is not there would mean "always changed".
fn watch_head() {
    for name in ["HEAD", "logs/HEAD"] {
        let path = output("git", &["rev-parse", "--path-format=absolute", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// `1.95.0` of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn version(line: &str) -> Option<String> {
    line.split_whitespace().nth(1).map(str::to_owned)
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
