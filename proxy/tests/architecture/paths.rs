//! Reads the paths that a Rust file names, from the root of its crate: `link::queue::Broken` for `super::queue::Broken`.
//!
//! Comments and strings are not code, and macros are read as they stand.

use std::iter::Peekable;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A file of a crate.
pub(crate) struct Source {
    /// Its path below `src`.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) text: String,
}

/// A path from the root of the crate, and the line that names it.
pub(crate) struct Named {
    /// Its segments; `*` stands for all that is there.
    pub(crate) path: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Source {
    /// The module this file is: `["link", "pool"]`; the root is empty.
    pub(crate) fn module(&self) -> Vec<String> {
        let mut module: Vec<_> = self.name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            module.pop();
        }
        module
    }

    /// Every path that begins with `crate` or `super`, in tests too unless they are left out.
    pub(crate) fn paths(&self, tests: bool) -> Vec<Named> {
        let mut found = Vec::new();
        walk(self.tokens(), &self.module(), tests, &mut found);
        found
    }

    /// Every path that is imported for others (`pub use`), from the root of the crate.
    pub(crate) fn reexports(&self) -> Vec<Named> {
        let mut found = Vec::new();
        let mut tokens = self.tokens().into_iter().peekable();
        let mut is_public = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "pub" => {
                    tokens.next_if(|t| matches!(t, TokenTree::Group(_))); // `(crate)` and the like
                    is_public = true;
                    continue;
                }
                TokenTree::Ident(word) if word == "use" && is_public => {
                    let mut path: Tokens = tokens
                        .by_ref()
                        .take_while(|t| !is_semicolon(t))
                        .collect::<TokenStream>()
                        .into_iter()
                        .peekable();
                    match path.next() {
                        Some(TokenTree::Ident(word)) if word == "crate" => {
                            tree(&mut path, &[], word_line(&word), &mut found)
                        }
                        Some(TokenTree::Ident(word)) if word == "super" => {
                            above(&mut path, &self.module(), word_line(&word), &mut found)
                        }
                        Some(first) => branch(&first, &mut path, &self.module(), 0, &mut found),
                        None => {}
                    }
                }
                _ => {}
            }
            is_public = false;
        }
        found
    }

    /// Every identifier outside of tests, and its line.
    pub(crate) fn words(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        words(self.tokens(), &mut found);
        found
    }

    /// Whether the file, or a folder that it is in, is one of tests.
    pub(crate) fn is_test(&self) -> bool {
        self.name.split('/').any(|part| part.trim_end_matches(".rs").ends_with("tests"))
    }

    pub(crate) fn tokens(&self) -> TokenStream {
        self.text.parse().unwrap_or_else(|why| panic!("{} is not Rust: {why}", self.name))
    }
}

type Tokens = Peekable<IntoIter>;

fn walk(stream: TokenStream, module: &[String], tests: bool, found: &mut Vec<Named>) {
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "mod" => inner(&mut tokens, module, tests, found),
            TokenTree::Ident(word) if word == "crate" => tree(&mut tokens, &[], word_line(&word), found),
            TokenTree::Ident(word) if word == "super" => above(&mut tokens, module, word_line(&word), found),
            TokenTree::Group(group) => walk(group.stream(), module, tests, found),
            _ => {}
        }
    }
}

/// `mod name { ... }`: what is `super` there is this module. `mod name;` is another file.
fn inner(tokens: &mut Tokens, module: &[String], tests: bool, found: &mut Vec<Named>) {
    let Some(TokenTree::Ident(name)) = tokens.next_if(|t| matches!(t, TokenTree::Ident(_))) else { return };
    let Some(TokenTree::Group(body)) = tokens.next_if(|t| matches!(t, TokenTree::Group(_))) else { return };
    if tests || name != "tests" {
        walk(body.stream(), &[module, &[name.to_string()]].concat(), tests, found);
    }
}

/// After `super`: one step up, and one more for each further `super`.
fn above(tokens: &mut Tokens, module: &[String], line: usize, found: &mut Vec<Named>) {
    let mut at = &module[..module.len().saturating_sub(1)];
    while let Some(again) = colons(tokens) {
        match again {
            TokenTree::Ident(word) if word == "super" => at = &at[..at.len().saturating_sub(1)],
            other => return branch(&other, tokens, at, line, found),
        }
    }
}

/// After a path so far: `::name`, `::{a, b}`, `::*`, or its end.
fn tree(tokens: &mut Tokens, before: &[String], line: usize, found: &mut Vec<Named>) {
    match colons(tokens) {
        Some(next) => branch(&next, tokens, before, line, found),
        None if before.is_empty() => {}
        None => found.push(Named { path: before.to_vec(), line }),
    }
}

fn branch(next: &TokenTree, tokens: &mut Tokens, before: &[String], line: usize, found: &mut Vec<Named>) {
    match next {
        TokenTree::Ident(word) => {
            tree(tokens, &[before, &[word.to_string()]].concat(), word_line(word), found)
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let mut items = group.stream().into_iter().peekable();
            while let Some(item) = items.next() {
                branch(&item, &mut items, before, line, found);
                items.by_ref().find(is_comma); // past `as name`
            }
        }
        TokenTree::Punct(star) if star.as_char() == '*' => {
            found.push(Named { path: [before, &["*".to_owned()]].concat(), line });
        }
        _ => found.push(Named { path: before.to_vec(), line }), // `Vec::<T>` and the like
    }
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == ',')
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == ';')
}

/// What follows `::`, if that is next.
fn colons(tokens: &mut Tokens) -> Option<TokenTree> {
    let colon = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ':');
    tokens.next_if(colon)?;
    tokens.next_if(colon)?;
    tokens.next()
}

fn words(stream: TokenStream, found: &mut Vec<(String, usize)>) {
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "mod" => pass_tests(&mut tokens),
            TokenTree::Ident(word) => found.push((word.to_string(), word_line(&word))),
            TokenTree::Group(group) => words(group.stream(), found),
            _ => {}
        }
    }
}

/// After `mod`: what is in `tests` is left out.
fn pass_tests(tokens: &mut Tokens) {
    if tokens.next_if(|t| matches!(t, TokenTree::Ident(name) if name == "tests")).is_some() {
        tokens.next();
    }
}

fn word_line(word: &proc_macro2::Ident) -> usize {
    word.span().start().line
}
