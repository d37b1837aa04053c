//! Checks that no two types of the proxy have one name: one word, one thing.
//!
//! Structs, enums, unions, traits and aliases count, and what `labels!`, `sections!` and `cell_sets!` declare. Associated
//! types and what a function keeps to itself do not, nor do tests. A name that is taken wants a better one, not a prefix.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::architecture::paths::Source;
use crate::architecture::{none, sources};

/// Macros whose bodies declare types: every name in capitals that stands in one itself, and not in its inner groups.
const DECLARING: [&str; 3] = ["labels", "sections", "cell_sets"];

/// Types that share their name with one in another place.
fn twice(sources: &[Source]) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let mut found = Vec::new();
        declared(source.tokens(), &mut found);
        for (name, line) in found {
            places.entry(name).or_default().push(format!("{}:{line}", source.name));
        }
    }
    let shared = places.into_iter().filter(|(_, at)| at.len() > 1);
    shared
        .map(|(name, at)| format!("`{name}` is the name of {} types: {}", at.len(), at.join(", ")))
        .collect()
}

/// The types that the items of a file or module declare, and their lines.
fn declared(tokens: TokenStream, found: &mut Vec<(String, usize)>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (i, token) in tokens.iter().enumerate() {
        let TokenTree::Ident(word) = token else { continue };
        match (word.to_string().as_str(), tokens.get(i + 1), tokens.get(i + 2)) {
            ("struct" | "enum" | "union" | "trait" | "type", Some(TokenTree::Ident(name)), _) => {
                found.push((name.to_string(), name.span().start().line));
            }
            ("mod", Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) if name != "tests" => {
                declared(body.stream(), found);
            }
            (name, Some(TokenTree::Punct(bang)), Some(TokenTree::Group(body)))
                if bang.as_char() == '!' && DECLARING.contains(&name) =>
            {
                in_capitals(body.stream(), found);
            }
            _ => {}
        }
    }
}

fn in_capitals(tokens: TokenStream, found: &mut Vec<(String, usize)>) {
    let mut declares = true; // until the body of the one before has ended, what follows its name is no other
    for token in tokens {
        match token {
            TokenTree::Ident(name) if declares && name.to_string().starts_with(char::is_uppercase) => {
                found.push((name.to_string(), name.span().start().line));
                declares = false;
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => declares = true,
            _ => {}
        }
    }
}

#[test]
fn no_type_name_is_defined_twice() {
    none(&twice(&sources("proxy/src")));
}

#[test]
fn a_name_with_two_types_is_found() {
    let source = |name: &str, text: &str| Source { name: name.to_owned(), text: text.to_owned() };
    let found = |one: &str, other: &str| twice(&[source("a.rs", one), source("b.rs", other)]);
    let one = "pub struct Place { at: u32 }";
    for other in [
        "enum Place { A }",
        "pub(crate) trait Place {}",
        "type Place = u32;",
        "mod inner { union Place { a: u8 } }",
        "labels! { /// Doc. Place = \"place\" { A = \"a\" } }".replace("/// Doc. ", "").as_str(),
        "sections! { Root { key: Kind<u8> = \"x\" } Place or word { } }",
        "cell_sets! { pub Place by [\"x\"] { a: Counter } }",
    ] {
        assert_eq!(found(one, other), ["`Place` is the name of 2 types: a.rs:1, b.rs:1"], "{other}");
    }
    for other in [
        "impl Iterator for X { type Place = u8; }",
        "fn f() { struct Place; }",
        "#[cfg(test)] mod tests { struct Place; }",
        "// struct Place;\nconst S: &str = \"struct Place;\"; use crate::a::Place;",
        "sections! { Root { key: Place<u8> = \"x\" } }",
    ] {
        assert_eq!(found(one, other), [""; 0], "{other}");
    }
    assert_eq!(
        twice(&[source("a.rs", one), source("a/tests/b.rs", one), source("panic_tests.rs", one)]),
        [""; 0]
    );
}
