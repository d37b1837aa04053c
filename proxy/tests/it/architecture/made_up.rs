//! Shows that each rule of the map finds what breaks it, on sources that nobody would commit.

use serde_json::{Value, json};

use crate::architecture::paths::Source;
use crate::architecture::{cycles, labels, rules, walk};

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn map(layers: &[&str]) -> Vec<String> {
    layers.iter().map(|layer| (*layer).to_owned()).collect()
}

fn upward(name: &str, text: &str) -> Vec<String> {
    rules::upward(&map(&["top", "middle", "low"]), &[source(name, text)])
}

fn paths(name: &str, text: &str) -> Vec<String> {
    source(name, text).paths(true).into_iter().map(|named| named.path.join("::")).collect()
}

#[test]
fn the_list_is_what_stands_in_the_block() {
    let text = "a\n```text\nno\n```\n```layers\ntop   is first\n\nlow   is last\n```\n```layers\nno\n```\n";
    assert_eq!(rules::list(text, "layers").unwrap(), ["top", "low"]);
    assert!(rules::list(text, "other").unwrap_err().contains("no block"));
    assert!(rules::list("```layers\na x\na y\n```\n", "layers").unwrap_err().contains("twice"));
}

#[test]
fn an_import_that_goes_up_is_found_however_it_is_written() {
    let found = ["low.rs:1: `low` imports `top`, which stands above it"];
    for text in [
        "use crate::top::Thing;",
        "pub(crate) use crate::top::Thing as Other;",
        "use crate::{low::Own, top::{Thing, Other}};",
        "use super::top::Thing;",
        "fn f() { crate::top::call(crate::low::x) }",
        "fn f(x: &crate::top::Thing) {}",
        "mod tests { use super::super::top::Thing; }",
        "macro_rules! m { () => { $crate::top::Thing } }",
        "impl Trait for crate::top::Thing {}",
        "pub(in crate::top) fn f() {}",
    ] {
        assert_eq!(upward("low.rs", text).first().map(String::as_str), Some(found[0]), "{text}");
    }
    assert_eq!(upward("low/deep/er.rs", "use super::super::super::top::Thing;").len(), 1);
    assert_eq!(upward("low/mod.rs", "\n\nuse super::{middle, top};").len(), 2);
}

#[test]
fn an_import_that_is_only_drawn_can_go_up() {
    let page = "```imports\nlow/new   middle\nmiddle   low\n```\n";
    let found = rules::upward(&map(&["top", "middle", "low"]), &rules::drawn(page));
    assert_eq!(found, ["low/new.rs:1: `low` imports `middle`, which stands above it"]);
}

fn circles(files: &[(&str, &str)]) -> Vec<String> {
    cycles::circles(&files.iter().map(|(name, text)| source(name, text)).collect::<Vec<_>>())
}

#[test]
fn files_that_import_each_other_are_found_round_corners_and_through_re_exports() {
    let found = circles(&[
        ("a/x.rs", "use super::y::Y;"),
        ("a/y.rs", "use crate::a::x::X;"),
        ("a/z.rs", "use super::x;"),
    ]);
    assert_eq!(found, ["a/x <-> a/y"]);
    let three =
        [("x.rs", "use crate::y;"), ("y.rs", "use super::z::Z;"), ("z.rs", "fn f() { crate::x::g() }")];
    assert_eq!(circles(&three), ["x <-> y <-> z"]);
    let by_name = [
        ("a/mod.rs", "pub use x::{X, deep::Y};"),
        ("a/x.rs", "use crate::b::B;"),
        ("b.rs", "use crate::a::X;"),
    ];
    assert_eq!(circles(&by_name), ["a/x <-> b"]);
    let apart =
        [("a/mod.rs", "pub(crate) use x::X;"), ("a/x.rs", "use crate::b::B;"), ("b.rs", "use crate::a::Z;")];
    assert_eq!(circles(&apart), [""; 0], "another thing of the folder");
}

#[test]
fn a_folder_and_its_files_and_tests_may_see_each_other() {
    let family = [
        ("a/mod.rs", "use x::X; use self::y::Y;"),
        ("a/x.rs", "use super::A;"),
        ("a/y.rs", "use super::x::X;"),
    ];
    assert_eq!(circles(&family), [""; 0]);
    let tests =
        [("x.rs", "mod tests { use crate::y; }"), ("y.rs", "use crate::x;"), ("tests/z.rs", "use crate::y;")];
    assert_eq!(circles(&tests), [""; 0]);
}

#[test]
fn what_goes_down_or_is_not_code_is_no_problem() {
    for text in [
        "use crate::low::Thing;",
        "use crate::{low, low::deep::Other as O};",
        "// use crate::top::Thing;\n/* crate::top */ //! x",
        "const S: &str = \"crate::top::Thing\"; const R: &str = r#\"crate::top\"#;",
        "/// See [`crate::top`].\nfn f<'a>(c: char) -> bool { c == '\"' }",
        "pub(crate) fn f() {} use super::low; use std::mem;",
        "mod inner { use super::Own; use super::super::low; }",
    ] {
        assert_eq!(upward("middle.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn a_cycle_always_goes_up_somewhere() {
    let one = source("middle.rs", "use crate::low::A;");
    let other = source("low.rs", "use crate::middle::B;");
    for layers in [["middle", "low"], ["low", "middle"]] {
        assert_eq!(
            rules::upward(&map(&layers), &[source("middle.rs", &one.text), source("low.rs", &other.text)])
                .len(),
            1
        );
    }
}

#[test]
fn what_is_not_on_the_map_is_found() {
    assert_eq!(
        upward("low.rs", "use crate::stranger::X;"),
        ["low.rs:1: `crate::stranger` is not on the map"]
    );
    assert_eq!(upward("low.rs", "use crate::*;"), ["low.rs:1: `crate::*` is not on the map"]);
    let sources = [source("lib.rs", ""), source("top.rs", ""), source("new/mod.rs", "")];
    let problems = rules::unmapped(&map(&["top", "old"]), &sources);
    let expected = ["`old` is on the map and not in the code", "new/mod.rs: its module is not on the map"];
    assert_eq!(problems, expected);
}

#[test]
fn paths_begin_at_the_root() {
    assert_eq!(
        paths("link/pool.rs", "use super::queue::{self, Broken};"),
        ["link::queue::self", "link::queue::Broken"]
    );
    assert_eq!(paths("link/mod.rs", "use super::event_loop::Nanos;"), ["event_loop::Nanos"]);
    assert_eq!(paths("link/pool.rs", "mod tests { use super::*; }"), ["link::pool::*"]);
    assert_eq!(paths("a.rs", "fn f() -> Vec<u8> { crate::b::c::<u8>() }"), ["b::c"]);
}

#[test]
fn io_is_found_where_there_should_be_none() {
    let io = |text: &str| {
        rules::io_in(
            &map(&["link/queue", "proto"]),
            &[source("proto/x.rs", ""), source("link/queue.rs", text)],
        )
    };
    assert_eq!(io("use std::time::Instant;"), ["link/queue.rs:1: names `Instant`"]);
    assert_eq!(io("async fn f() { tokio::task::yield_now().await }"), ["link/queue.rs:1: names `tokio`"]);
    for text in [
        "use super::driver::Link;",
        "use crate::net::Socket;",
        "use crate::event_loop::Turn;",
        "use super::Link;",
        "use crate::link;",
        "pub(in crate::net) struct Seat;",
    ] {
        assert!(io(text)[0].ends_with("which may do I/O"), "{text}: {:?}", io(text));
    }
    for text in [
        "use crate::event_loop::Nanos;",
        "use crate::proto::x::Y;",
        "use std::net::IpAddr;",
        "mod tests { use tokio::time; }",
        "pub(in crate::link) struct Seat;",
    ] {
        assert_eq!(io(text), [""; 0], "{text}");
    }
    assert_eq!(rules::io_in(&map(&["gone"]), &[]), ["`gone` is on the map and not in the code"]);
}

#[test]
fn the_origin_is_named_in_one_file_only() {
    let text = "use penstock_origin::Origin; // penstock_origin";
    assert_eq!(rules::names("penstock_origin", &["cli.rs"], &[source("cli.rs", text)]), [""; 0]);
    let found = rules::names("penstock_origin", &["cli.rs"], &[source("client/cli.rs", text)]);
    assert_eq!(found, ["client/cli.rs:1: names `penstock_origin`"]);
}

#[test]
fn a_file_that_does_not_say_what_it_is_for_is_found() {
    let problems = |text: &str| rules::nameless("src", &[source("x.rs", text)]);
    assert_eq!(problems("//! Says what it is for.\nuse a;\n"), [""; 0]);
    for text in ["use a;\n", "//!\n//! Says it too late.\n", "// Says it to nobody.\n", ""] {
        assert_eq!(problems(text), ["src/x.rs: its first line does not say what it is for"], "{text}");
    }
}

/// `metrics/values.rs` with a label of two values, `cause.rs` with another, and `user.rs` with what uses them.
fn uncounted(using: &str) -> Vec<String> {
    let values = "labels! { /// How.\n How = \"how\" { /// Well.\n Good = \"good\", Bad = \"bad\", } }\n\
        label_elsewhere!(Cause, \"cause\");\n\
        impl How { pub const fn of(ok: bool) -> Self { match ok { true => Self::Good, false => Self::Bad } } }";
    let cause = "pub enum Cause { /// One.\n One, Two }\n\
        impl Cause { pub const ALL: [Self; 2] = [Self::One, Self::Two];\n\
        pub const fn name(self) -> &'static str { match self { Self::One => \"1\", Self::Two => \"2\" } } }";
    let sources = [source("metrics/values.rs", values), source("cause.rs", cause), source("user.rs", using)];
    let problems = labels::uncounted(&sources, &[]);
    problems.iter().filter_map(|problem| Some(problem.split('`').nth(1)?.to_owned())).collect()
}

#[test]
fn a_value_that_nothing_counts_is_found() {
    assert_eq!(uncounted(""), ["How::Good", "How::Bad", "Cause::One", "Cause::Two"]);
    let imports = "use crate::{metrics::How, cause::Cause};";
    for looked_at in [
        "fn f(c: Cause) -> bool { c == Cause::Two }",
        "fn f(c: Cause) -> bool { crate::cause::Cause::Two != c }",
        "fn f(c: Cause) -> bool { matches!(c, Cause::Two) }",
        "fn f(c: Cause) -> u8 { match c { Cause::Two if true => 1, Cause::One | Cause::Two => 2 } }",
        "fn f(c: Option<Cause>) -> u8 { match c { Some(Cause::Two) => 1, _ => 2 } }",
        "fn f(c: Option<Cause>) { if let Some(Cause::Two) = c {} }",
        "mod tests { fn f() -> Cause { Cause::Two } }",
    ] {
        let using = format!("{imports} fn g() {{ add(How::of(true)); add(Cause::One) }} {looked_at}");
        assert_eq!(uncounted(&using), ["Cause::Two"], "{looked_at}");
    }
    assert_eq!(
        uncounted("enum Cause { One } fn f() { add(Cause::One); add(Cause::Two) }").len(),
        4,
        "another enum"
    );
}

#[test]
fn a_value_that_an_expression_names_is_counted() {
    let counted = "use crate::{metrics::How, cause::Cause};\n\
        fn f(x: u8) { cells[Cause::One].inc(); if x == 1 { g(|y| y.unwrap_or(Cause::Two)) } if x == 2 {} }\n\
        fn g(ok: bool) -> How { if ok { How::Good } else { How::Bad } }";
    assert_eq!(uncounted(counted), [""; 0]);
    assert_eq!(
        uncounted("use crate::metrics::How; fn f() { add(How::of(true)) }"),
        ["Cause::One", "Cause::Two"]
    );
    let gone = labels::uncounted(&[source("cause.rs", "")], &[("cause.rs", "Reason")]);
    assert_eq!(gone, ["cause.rs: has no enum `Reason`, which `TRANSLATED` names"]);
}

#[test]
fn a_dependency_on_the_proxy_is_found() {
    let metadata = |of: &str, on: &str| {
        let package = |name: &str| {
            let on = if name == of { on } else { "tokio" };
            json!({ "name": name, "dependencies": [{ "name": on }] })
        };
        json!({ "packages": [package("penstock-origin"), package("penstock-bench")] })
    };
    assert_eq!(rules::shared(&metadata("", "")), [""; 0]);
    for name in ["penstock-origin", "penstock-bench"] {
        assert_eq!(rules::shared(&metadata(name, "penstock")), [format!("`{name}` depends on the proxy")]);
    }
    assert_eq!(rules::shared(&json!({})).len(), 2);
}

#[test]
fn a_dependency_that_needs_a_newer_compiler_is_found() {
    let package = |name: &str, version: Value| json!({ "name": name, "rust_version": version });
    let metadata = |ours: Value, other: Value| json!({ "packages": [package("penstock", ours), package("tokio", other)] });
    for (ours, other) in [
        ("1.89", json!("1.89.0")),
        ("1.89.1", json!("1.89")),
        ("1.89", json!(null)),
        ("1.100", json!("1.89")),
    ] {
        assert_eq!(rules::too_new(&metadata(json!(ours), other)), [""; 0]);
    }
    let found = rules::too_new(&metadata(json!("1.89"), json!("1.90.1")));
    assert_eq!(found, ["\"tokio\" needs Rust \"1.90.1\""]);
    assert_eq!(rules::too_new(&metadata(json!(null), json!(null))), ["`penstock` promises no compiler"]);
}

#[test]
fn a_walk_that_has_lost_its_way_is_found() {
    let map = "## One GET, from socket to socket\n\nText.\n\n1. `a.rs`\n   - `read` reads\n     a head.\n2. `b.rs`\n   \
               - `write` writes it.\n\nMore `text`.\n\n## Next\n\n3. `c.rs`\n";
    let steps = walk::steps(map).unwrap();
    let read: Vec<_> = steps.iter().map(|step| (&*step.file, step.functions.len())).collect();
    assert_eq!(read, [("a.rs", 1), ("b.rs", 1)]);
    assert_eq!(steps[0].functions[0].1, "reads a head.");
    let files = [source("a.rs", "fn read(x: u8) {}"), source("b.rs", "fn write<T>() {}")];
    assert!(walk::problems(&steps, &files).is_empty());
    let moved = [source("a.rs", "fn read(x: u8) {}"), source("d.rs", "fn write<T>() {}")];
    assert_eq!(walk::problems(&steps, &moved), ["there is no b.rs"]);
    let renamed = [source("a.rs", "fn reader() { read() }"), source("b.rs", "fn write<T>() {}")];
    assert_eq!(walk::problems(&steps, &renamed), ["a.rs: there is no function `read`"]);
    let wordy = walk::steps(&map.replace("writes it.", "writes it. And more.")).unwrap();
    assert!(walk::problems(&wordy, &files)[0].contains("one sentence"));
    let terse = walk::steps(&map.replace("   - `write` writes it.\n", "")).unwrap();
    assert_eq!(walk::problems(&terse, &files), ["b.rs: no function to read"]);
    assert!(walk::steps(&map.replace("2. `b", "3. `b")).is_err() && walk::steps("## Other\n").is_err());
    let long: Vec<_> = (0..=walk::MOST_FILES).map(|n| source(&format!("{n}.rs"), "fn f() {}")).collect();
    let steps = long.iter().map(|source| (source.name.clone(), vec![("f".to_owned(), "Does.".to_owned())]));
    let steps: Vec<_> = steps.map(|(file, functions)| walk::Step { file, functions }).collect();
    assert_eq!(walk::problems(&steps, &long).len(), 1);
}
