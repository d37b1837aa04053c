//! Tests the command as shells use it: its arguments and pipes, what it prints, and its exit codes.

use std::process::{Command, Stdio};

fn penstock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command.args(arguments);
    command
}

const TELLS: [&[&str]; 5] = [
    &["schema"],
    &["metrics", "describe"],
    &["metrics", "describe", "--json"],
    &["man"],
    &["completions", "fish"],
];

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

/// Each shell takes its own completions, if it is installed; bash is everywhere.
#[test]
fn completions_are_taken_by_their_shells_and_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = penstock(&["completions", shell]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(["run", "check", "probe", "completions"].iter().all(|name| text.contains(name)), "{shell}");
        if shell == "bash" {
            let ask = format!(
                "{text}\nCOMP_WORDS=(penstock che); COMP_CWORD=1; _penstock penstock che; echo \"${{COMPREPLY[*]}}\""
            );
            let told = Command::new("bash").args(["-c", &ask]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&told.stdout), "check\n", "{told:?}");
        }
    }
    assert_eq!(penstock(&["completions", "csh"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn there_is_a_man_page_for_each_command() {
    let directory = crate::support::stand::directory("man");
    let output = penstock(&["man", directory.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for command in ["", "-run", "-check", "-probe", "-metrics-describe", "-man"] {
        let page = std::fs::read_to_string(directory.join(format!("penstock{command}.1"))).unwrap();
        assert!(page.contains(".TH penstock") && page.contains(".SH NAME"), "{command}: {page}");
    }
    let output = penstock(&["man", "/nowhere/at/all"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("/nowhere/at/all"), "{said}");
}
