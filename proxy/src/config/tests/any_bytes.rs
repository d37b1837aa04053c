//! Tests that no input makes the reader panic, hang, or refuse without a reason: random bytes, and mutations of the reference.
//!
//! The seed is fixed.

use crate::config::{REFERENCE, parse};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

const SEED: u64 = 0x5eed_c0f1;

fn runner(cases: u32) -> TestRunner {
    println!("seed {SEED:#x}");
    let rng_seed = RngSeed::Fixed(SEED);
    TestRunner::new(Config {
        cases,
        rng_seed,
        rng_algorithm: RngAlgorithm::ChaCha,
        failure_persistence: None,
        ..Config::default()
    })
}

/// Reads it, and holds what is promised of any answer.
fn survives(text: &str) -> Result<(), TestCaseError> {
    let env = |name: &str| name.len().is_multiple_of(2).then(|| name.repeat(2));
    match parse("any.yaml", text, &env) {
        Ok(loaded) => {
            prop_assert!(!loaded.settings.listeners.is_empty());
            for listener in &loaded.settings.listeners {
                let backends = loaded.settings.backends.len();
                prop_assert!(listener.backend < backends);
                prop_assert!(listener.routes.iter().all(|rule| rule.backend < backends));
            }
        }
        Err(mistakes) => {
            let lines = mistakes.iter().count();
            prop_assert!(lines > 0);
            prop_assert_eq!(mistakes.to_string().lines().count(), lines + 1);
            let places: Vec<_> = mistakes.iter().map(|m| (m.line, m.column)).collect();
            prop_assert!(places.is_sorted());
            let last = text.replace("\r\n", "\n").split(['\n', '\r']).count() + 1;
            prop_assert!(places.iter().all(|(line, _)| *line <= last), "{:?}", places);
        }
    }
    Ok(())
}

#[test]
fn random_bytes() {
    let bytes = prop::collection::vec(any::<u8>(), 0..400);
    runner(3_000).run(&bytes, |bytes| survives(&String::from_utf8_lossy(&bytes))).unwrap();
}

#[test]
fn random_yaml_like_text() {
    let pieces = prop::sample::select(vec![
        "listeners",
        "backends",
        "web",
        "app",
        "members",
        "bind",
        "127.0.0.1:1",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "!t ",
        "!!str ",
        "|",
        ">",
        "'",
        "\"",
        "#",
        " ",
        "\t",
        "\r",
        "---",
        "...",
        "%YAML 1.2\n",
        "${A}",
        "${AB:-x}",
        "${",
        "$$",
        "\u{f0000}",
        "\u{f0001}",
        "\u{feff}",
        "\u{0}",
        "~",
        "\\",
        "@",
        "`",
        "<<",
        "0",
        "4s",
        "off",
        "\u{85}",
        "\u{2028}",
    ]);
    let text = prop::collection::vec(pieces, 0..60);
    runner(20_000).run(&text, |pieces| survives(&pieces.concat())).unwrap();
}

#[test]
fn mutations_of_the_reference() {
    // With its examples and without comments, so that each mutation hits something.
    let all = REFERENCE.replace("  ## ", "  ");
    let lines = all.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim_end());
    let lines: Vec<&str> = lines.filter(|line| !line.trim_start().starts_with('#')).collect();
    assert!(lines.iter().any(|line| line.contains("path_prefix:")), "{lines:?}");
    let reference: Vec<char> = lines.join("\n").chars().collect();
    let place = 0..reference.len();
    let mutation = (place.clone(), place, prop::option::of(any::<char>()), 0_u8..4);
    runner(3_000)
        .run(&prop::collection::vec(mutation, 1..6), |mutations| {
            let mut text = reference.clone();
            for (at, from, put, how) in mutations {
                let (at, from) = (at.min(text.len() - 1), from.min(text.len() - 1));
                match (how, put) {
                    (0, Some(c)) => text.insert(at, c),
                    (1, _) => text[at] = text[from],
                    (2, _) => text.swap(at, from),
                    _ => _ = text.remove(at),
                }
            }
            survives(&text.into_iter().collect::<String>())
        })
        .unwrap();
}

/// Shapes that cost the careless much more than their size.
#[test]
fn hostile_shapes() {
    let laughs: String =
        (0..30).map(|i| format!("a{i}: &a{i} {{ x: *a{}, y: *a{} }}\n", i - 1, i - 1)).collect();
    let deep = "a:\n".lines().cycle().take(3_000).enumerate().map(|(i, line)| " ".repeat(i) + line + "\n");
    for text in [
        laughs.replace("*a-1", "1"),
        deep.collect::<String>().chars().take(900_000).collect(),
        "[".repeat(500_000),
        "{a: ".repeat(200_000),
        "- ".repeat(400_000),
        "${A}".repeat(200_000),
        "\u{f0000}".repeat(100_000),
        format!("workers: {}", "9".repeat(500_000)),
        "x: 1\n".repeat(100_000),
        format!("{}: 1", "k".repeat(500_000)),
        " ".repeat(2 << 20),
        format!("listeners: {{ w: {{ trusted: [{}] }} }}", "::1, ".repeat(150_000)),
        format!("listeners: {{ w: {{ {} }} }}", "limits: 1, ".repeat(50_000)),
        format!("listeners: {{ w: {{ routes: [{}] }} }}", "{ match: { host: a } }, ".repeat(40_000)),
        format!("listeners: {{ w: {{ access_log: {{ format: '{}' }} }} }}", "{{{time}".repeat(100_000)),
    ] {
        survives(&text).unwrap_or_else(|e| panic!("{e}: {}", &text[..80.min(text.len())]));
    }
}
