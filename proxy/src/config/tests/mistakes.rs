//! Tests that every mistake is told with its place and a hint, all of a file at once, to the letter.

use crate::config::{load, parse};

use crate::config::tests::read;

/// A file that is right, but for what stands in its place.
fn with(from: &str, to: &str) -> String {
    const RIGHT: &str = "\
listeners:
  web:
    bind: 127.0.0.1:8080
    backend: app
backends:
  app:
    links: { pipeline: 32 }
    members: { a: 127.0.0.1:9001 }
";
    assert!(RIGHT.contains(from), "{from}");
    RIGHT.replace(from, to)
}

#[track_caller]
pub(crate) fn told(text: &str, lines: &[&str]) {
    let printed = read(text).expect_err("the file should be refused").to_string();
    let s = if lines.len() == 1 { "" } else { "s" };
    let mut expected: Vec<_> = lines.iter().map(|line| format!("config.yaml:{line}")).collect();
    expected.push(format!("{} mistake{s} in config.yaml", lines.len()));
    assert_eq!(printed, expected.join("\n"), "of\n{text}");
}

#[track_caller]
pub(crate) fn warned(text: &str, lines: &[&str]) {
    let warnings = read(text).unwrap().warnings;
    let printed: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let expected: Vec<_> = lines.iter().map(|line| format!("config.yaml:{line}")).collect();
    assert_eq!(printed, expected, "of\n{text}");
}

#[test]
fn all_at_once_in_the_order_of_the_file() {
    let text = "\
workers: 0
listeners:
  web:
    bind: 127.0.0.1:8080
    bakend: app
  two: { bind: 0.0.0.0:8080, backend: ap }
backends:
  app:
    affinity: { key: source/129 }
    links: { max_per_member: 0, idle_timeout: 4 }
    members:
      a: 127.0.0.1
admin: 127.0.0.1:8080
";
    told(
        text,
        &[
            "1:10: workers: 0 is outside of 1 to 256 (or `auto`)",
            "5:5: listeners.web.bakend: unknown key; did you mean `backend`?",
            "6:16: listeners.two.bind: the address 0.0.0.0:8080 is in use twice; `listeners.web.bind` has 127.0.0.1:8080",
            "6:39: listeners.two.backend: there is no backend `ap`; did you mean `app`?",
            "9:22: backends.app.affinity.key: expected `source`, `source/24`, `source/56`, `source/24+56` or `none`, not `source/129`",
            "10:30: backends.app.links.max_per_member: 0 is outside of 1 to 65535 (or `auto`)",
            "10:47: backends.app.links.idle_timeout: `4` has no unit; write `4s` for seconds or `4ms`",
            "12:10: backends.app.members.a: expected an address such as `127.0.0.1:9001` or `unix:/run/app.sock`, not `127.0.0.1`; the port is missing",
            "13:8: admin: the address 127.0.0.1:8080 is in use twice; `listeners.web.bind` has 127.0.0.1:8080",
        ],
    );
}

#[test]
fn unknown_keys() {
    told(
        &with("    backend: app\n", "    backend: app\n    colour: red\n"),
        &[
            "5:5: listeners.web.colour: unknown key; known here: bind, protocol, framing, backend, backlog, max_connections, request_buffer, response_buffer, proxy_protocol, trusted, timeouts, limits, tunnel, trusted_proxies, forwarded, via, upgrades, trace, connect, underscores, routes, access_log, socket",
        ],
    );
    told(
        &with("pipeline: 32", "pipelin: 32"),
        &["7:14: backends.app.links.pipelin: unknown key; did you mean `pipeline`?"],
    );
    told(&with("listeners:", "listener:"), &["1:1: listener: unknown key; did you mean `listeners`?"]);
}

#[test]
fn what_must_be_written() {
    told("", &["1:1: listeners: at least one is needed here", "1:1: backends: at least one is needed here"]);
    told(
        &with("    bind: 127.0.0.1:8080\n", ""),
        &[
            "2:3: listeners.web.bind: missing; expected an address such as `127.0.0.1:8080` or `unix:/run/app.sock`",
        ],
    );
    told(
        &with("    backend: app\n", "    backend:\n"),
        &["4:5: listeners.web.backend: has no value; expected the name of a backend"],
    );
    told(&with("{ a: 127.0.0.1:9001 }", "{}"), &["8:5: backends.app.members: at least one is needed here"]);
    told(
        &with("{ a: 127.0.0.1:9001 }", "{ a: { weight: 2 } }"),
        &[
            "8:16: backends.app.members.a.address: missing; expected an address such as `127.0.0.1:9001` or `unix:/run/app.sock`",
        ],
    );
}

#[test]
fn wrong_types() {
    told(
        &with("{ pipeline: 32 }", "32"),
        &["7:12: backends.app.links: expected a map of `key: value`, not a word"],
    );
    told(
        &with("pipeline: 32", "pipeline: [32]"),
        &["7:24: backends.app.links.pipeline: expected a whole number such as `64`, not a list"],
    );
    told(
        &with("pipeline: 32", "pipeline: many"),
        &["7:24: backends.app.links.pipeline: expected a whole number such as `64`, not `many` (or `auto`)"],
    );
    told(
        &with("{ a: 127.0.0.1:9001 }", "[127.0.0.1:9001]"),
        &["8:14: backends.app.members: expected a map of `key: value`, not a list"],
    );
    told(
        "- a\n",
        &[
            "1:1: expected a map of `key: value`, not a list",
            "1:1: listeners: at least one is needed here",
            "1:1: backends: at least one is needed here",
        ],
    );
}

#[test]
fn addresses() {
    let bind = |address: &str| with("127.0.0.1:8080", address);
    told(
        &bind("':8080'"),
        &["3:11: listeners.web.bind: `:8080` has no IP address; write `0.0.0.0:8080` for every interface"],
    );
    told(
        &bind("localhost:8080"),
        &[
            "3:11: listeners.web.bind: expected an address such as `127.0.0.1:8080` or `unix:/run/app.sock`, not `localhost:8080`; names are not looked up",
        ],
    );
    told(
        &bind("127.0.0.1:99999"),
        &[
            "3:11: listeners.web.bind: expected an address such as `127.0.0.1:8080` or `unix:/run/app.sock`, not `127.0.0.1:99999`",
        ],
    );
    told(
        &with("127.0.0.1:9001", "127.0.0.1:0"),
        &["8:19: backends.app.members.a: `127.0.0.1:0`: no service can listen on port 0"],
    );
    told(
        &(bind("'[::]:9900'") + "admin: 127.0.0.1:9900\n"),
        &["9:8: admin: the address 127.0.0.1:9900 is in use twice; `listeners.web.bind` has [::]:9900"],
    );
    told(
        &bind("127.0.0.1:9900"),
        &["3:11: listeners.web.bind: the address 127.0.0.1:9900 is in use twice; `admin` has 127.0.0.1:9900"],
    );
}

#[test]
fn values_out_of_range() {
    let limits =
        |limits: &str| with("    backend: app\n", &format!("    backend: app\n    limits: {limits}\n"));
    told(&limits("{ fields: 257 }"), &["5:23: listeners.web.limits.fields: 257 is outside of 1 to 256"]);
    told(&limits("{ head: 2MiB }"), &["5:21: listeners.web.limits.head: `2MiB` is outside of 1KiB to 1MiB"]);
    told(
        &limits("{ head: 8KiB, line: 9KiB }"),
        &[
            "5:33: listeners.web.limits.line: a line of 9216 bytes does not fit into a head of 8192; `line` may be as large as `head` at most",
        ],
    );
    told(
        &limits("{ head: 8KiB }"),
        &[
            "5:21: listeners.web.limits.head: a line of 16384 bytes does not fit into a head of 8192; `line` may be as large as `head` at most",
        ],
    );
    told(
        &with("pipeline: 32", "pipeline: 1025"),
        &["7:24: backends.app.links.pipeline: 1025 is outside of 1 to 1024 (or `auto`)"],
    );
    told(
        &with("pipeline: 32", "max_age: 0s"),
        &["7:23: backends.app.links.max_age: `0s` is too short; more than 0 is needed (or `off`)"],
    );
    told(
        &with("a: 127.0.0.1:9001", "a: { address: 127.0.0.1:9001, weight: 300 }"),
        &["8:54: backends.app.members.a.weight: 300 is outside of 1 to 256"],
    );
    told(
        &with("    backend: app\n", "    backend: app\n    protocol: udp\n"),
        &["5:15: listeners.web.protocol: `udp` is none of `http`, `tcp`, `lines`, `length_prefixed`, `resp`"],
    );
    told(
        &with("    backend: app\n", "    backend: app\n    forwarded: x-forwarded\n"),
        &[
            "5:16: listeners.web.forwarded: `x-forwarded` is none of `x_forwarded`, `forwarded`, `both`, `remove`, `off`; did you mean `x_forwarded`?",
        ],
    );
    told(
        &with("    backend: app\n", "    backend: app\n    via: a proxy\n"),
        &[
            "5:10: listeners.web.via: expected letters, digits or any of !#$%&'*+-.^_`|~, not `a proxy` (or `auto`) (or `off`)",
        ],
    );
}

#[test]
fn names_and_numbers_of_things() {
    told(
        &with("  web:", "  'w e\\nb':"),
        &["2:3: listeners.w e\\nb: a name consists of 1 to 64 of the characters A-Z a-z 0-9 _ . -"],
    );
    let listeners: String =
        (0..17).map(|i| format!("  l{i}: {{ bind: '127.0.0.1:{}', backend: app }}\n", 7000 + i)).collect();
    let text =
        format!("listeners:\n{listeners}backends: {{ app: {{ members: {{ a: 127.0.0.1:9001 }} }} }}\n");
    told(&text, &["18:3: listeners: 17 are too many; 16 at most"]);
    let members =
        |n: u16| (0..n).map(|i| format!("      m{i}: 127.0.0.1:{}\n", 1000 + i)).collect::<String>();
    let both = format!("    members:\n{}  two:\n    members:\n{}", members(200), members(57));
    let text =
        with("    members: { a: 127.0.0.1:9001 }\n", &both).replace("    links: { pipeline: 32 }\n", "");
    told(&text, &["266:7: backends.two.members.m56: 257 members in all backends; 256 at most"]);
}

#[test]
fn written_twice() {
    told(
        &with("    backend: app\n", "    backend: app\n    bind: 127.0.0.1:8081\n"),
        &["5:5: listeners.web.bind: written twice; first in line 3"],
    );
    told(
        &with("{ a: 127.0.0.1:9001 }", "{ a: 127.0.0.1:9001, a: 127.0.0.1:9002 }"),
        &["8:35: backends.app.members.a: written twice; first in line 8"],
    );
}

#[test]
fn what_is_not_yaml() {
    told(
        "listeners: { web: {\n",
        &["2:1: not YAML: while parsing a node, did not find expected node content"],
    );
    told("a: b: c\n", &["1:5: not YAML: mapping values are not allowed in this context"]);
    let hint = "an IPv6 address wants quotes: \"[::1]:80\"";
    told(
        "admin: [::1]:9900\nlisteners: {}\n",
        &[&format!("1:13: not YAML: while parsing a block mapping, did not find expected key; {hint}")],
    );
    told("a: 1\n---\nb: 2\n", &["2:1: a second document; one file is one document"]);
    told("? [a]\n: b\n", &["1:3: a key must be one word"]);
    told("admin: !env ADMIN\n", &["1:8: the tag `!env` has no meaning here"]);
    told(&"[".repeat(40), &["1:33: nested deeper than 32 levels"]);
}

#[test]
fn the_environment() {
    told(
        &with("127.0.0.1:8080", "${LISTEN}"),
        &[
            "3:11: listeners.web.bind: the environment variable `LISTEN` is not set; set it, or write `${LISTEN:-default}`",
        ],
    );
    told(
        &with("127.0.0.1:8080", "'127.0.0.1:${PORT}'"),
        &[
            "3:22: listeners.web.bind: the environment variable `PORT` is not set; set it, or write `${PORT:-default}`",
        ],
    );
    told(
        &with("127.0.0.1:8080", "${9}"),
        &["3:11: listeners.web.bind: `${9}` is neither `${NAME}` nor `${NAME:-default}`"],
    );
    told(
        &with("  app:\n", "  ${APP}:\n"),
        &["6:3: the environment variable `APP` is not set; set it, or write `${APP:-default}`"],
    );
    told(
        "\u{feff}admin: ${A}\r\nworkers: ${B}\rdrain_timeout: ${C}\nlisteners: {}\nbackends: {}\n",
        &[
            "1:8: admin: the environment variable `A` is not set; set it, or write `${A:-default}`",
            "2:10: workers: the environment variable `B` is not set; set it, or write `${B:-default}`",
            "3:16: drain_timeout: the environment variable `C` is not set; set it, or write `${C:-default}`",
            "4:1: listeners: at least one is needed here",
            "5:1: backends: at least one is needed here",
        ],
    );
    told(
        &with("127.0.0.1:8080", "${OPEN"),
        &["3:11: listeners.web.bind: `${` without its `}`; write `$$` for a plain `$`"],
    );
    // A value is text, whatever it holds; and what stands behind it keeps its column.
    let text = with("{ pipeline: 32 }", "{ pipeline: ${N}, pipelin: 1 }");
    let mistakes = parse("config.yaml", &text, &|_| Some("1, max_age: 1s } #\n".to_owned())).unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        "config.yaml:7:24: backends.app.links.pipeline: expected a whole number such as `64`, not `1, max_age: 1s } #\\n` (or `auto`)\n\
         config.yaml:7:30: backends.app.links.pipelin: unknown key; did you mean `pipeline`?\n\
         2 mistakes in config.yaml",
    );
}

#[test]
fn warnings_do_not_refuse() {
    let text = with("{ a: 127.0.0.1:9001 }", "{ a: 127.0.0.1:9001, b: 127.0.0.1:9001 }");
    warned(&text, &["8:38: backends.app.members.b: 127.0.0.1:9001 is the address of `a` too"]);
    let text = with("backends:\n", "backends:\n  old: { members: { a: 127.0.0.1:9009 } }\n");
    warned(&text, &["6:3: backends.old: no listener uses this backend"]);
}

#[test]
fn files_that_cannot_be_read() {
    let folder = std::env::temp_dir().join(format!("penstock-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (absent, binary) = (folder.join("absent.yaml"), folder.join("binary.yaml"));
    std::fs::write(&binary, b"admin: off\n\xff\n").unwrap();
    let absent_told = load(&absent).unwrap_err().to_string();
    let binary_told = load(&binary).unwrap_err().to_string();
    let endless = load(std::path::Path::new("/dev/zero")).unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    let (absent, binary) = (absent.display(), binary.display());
    assert_eq!(
        absent_told,
        format!("{absent}: cannot be read: No such file or directory (os error 2)\n1 mistake in {absent}"),
    );
    assert_eq!(binary_told, format!("{binary}: is not UTF-8 (line 2)\n1 mistake in {binary}"));
    assert_eq!(endless, "/dev/zero: is larger than 1048576 bytes\n1 mistake in /dev/zero");
}
