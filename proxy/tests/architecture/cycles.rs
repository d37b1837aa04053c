//! Finds files that import each other, directly or round several corners.
//!
//! A folder's own file and the files in the folder may name each other: the files see the type that they add to, and the folder's
//! file sees all of them. Between two other files imports run one way.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{Named, Source};

/// Where each public name of a module that it has from elsewhere comes from.
type Reexports = BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>;

/// Lists the groups of files of which each imports every other, round corners or not.
pub(crate) fn circles(sources: &[Source]) -> Vec<String> {
    let sources: Vec<_> = sources.iter().filter(|source| !source.is_test()).collect();
    let modules: BTreeSet<_> = sources.iter().map(|source| source.module()).collect();
    let reexports: Reexports =
        sources.iter().map(|source| (source.module(), named_by_last(source.reexports()))).collect();
    let mut imports = BTreeMap::<Vec<String>, BTreeSet<Vec<String>>>::new();
    for source in &sources {
        let from = source.module();
        let to = source.paths(false).into_iter().map(|named| file_of(named.path, &modules, &reexports));
        let counts = |to: &Vec<String>| !to.starts_with(&from) && !from.starts_with(to);
        imports.insert(from.clone(), to.filter(counts).collect());
    }
    let reach: BTreeMap<_, _> = imports.keys().map(|from| (from, reached(from, &imports))).collect();
    let mut circles = BTreeSet::new();
    for (from, to) in &reach {
        let back = |other: &&Vec<String>| reach.get(*other).is_some_and(|r| r.contains(*from));
        let circle: BTreeSet<_> = to.iter().filter(back).map(|module| module.join("/")).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    let words = |circle: BTreeSet<String>| circle.into_iter().collect::<Vec<_>>().join(" <-> ");
    circles.into_iter().map(words).collect()
}

fn named_by_last(reexports: Vec<Named>) -> BTreeMap<String, Vec<String>> {
    reexports.into_iter().filter_map(|named| Some((named.path.last()?.clone(), named.path))).collect()
}

/// The file in which the thing stands that a path names, re-exports followed.
fn file_of(path: Vec<String>, modules: &BTreeSet<Vec<String>>, reexports: &Reexports) -> Vec<String> {
    let mut path = path;
    for _ in 0..8 {
        let known = (0..=path.len()).rev().find(|end| modules.contains(&path[..*end])).unwrap_or(0);
        let (module, rest) = path.split_at(known);
        let elsewhere = rest.first().and_then(|name| reexports.get(module)?.get(name));
        match elsewhere {
            Some(at) if *at != path => path = at.clone(),
            _ => return module.to_vec(),
        }
    }
    path
}

fn reached(
    from: &Vec<String>,
    imports: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut left: Vec<_> = imports[from].iter().collect();
    while let Some(next) = left.pop() {
        if found.insert(next.clone()) {
            left.extend(imports.get(next).into_iter().flatten());
        }
    }
    found
}
