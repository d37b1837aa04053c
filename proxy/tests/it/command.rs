//! Tests the command as shells use it: its arguments and pipes, what it prints, and its exit codes.

use std::process::{Command, Stdio};

fn penstock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command.args(arguments);
    command
}

const TELLS: [&[&str]; 3] = [&["schema"], &["metrics", "describe"], &["metrics", "describe", "--json"]];

#[test]
fn what_is_told_ends_with_a_line_end() {
    for arguments in TELLS {
        let output = penstock(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let last = output.stdout.rsplit(|byte| *byte == b'\n').map(<[u8]>::len).take(2).collect::<Vec<_>>();
        assert!(last[0] == 0 && last[1] > 0, "{arguments:?}");
    }
}

/// `penstock schema | head -1` is nobody's mistake.
#[test]
fn a_pipe_that_nobody_reads_is_no_failure() {
    for arguments in TELLS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = penstock(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{arguments:?}: {said}");
    }
}
