//! The rules of the map, each of which lists what breaks it, with file and line.

use serde_json::Value;

use crate::architecture::paths::{Named, Source};

/// What everything without I/O may name besides others like it: plain data, and time as a number.
const PLAIN: [&str; 3] = ["config", "event_loop::Nanos", "event_loop::nanos"];

/// Whoever says these waits, reads a clock or holds a socket.
const IO: [&str; 13] = [
    "tokio",
    "tokio_util",
    "socket2",
    "rustix",
    "libc",
    "Instant",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "File",
    "spawn",
];

/// The first words of the lines in the block of the map that opens with three backticks and `name`.
pub(crate) fn list(map: &str, name: &str) -> Result<Vec<String>, String> {
    let fence = format!("```{name}");
    let block = map.lines().skip_while(|line| *line != fence).skip(1);
    let lines = block.take_while(|line| !line.starts_with("```"));
    let words: Vec<_> = lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    let twice = words.iter().enumerate().find(|(i, word)| words[..*i].contains(word));
    match twice {
        Some((_, word)) => Err(format!("`{word}` stands twice in `{name}`")),
        None if words.is_empty() => Err(format!("there is no block `{name}`")),
        None => Ok(words),
    }
}

/// Reads the block `imports` of a page: a room a line, and the modules that it imports. They are returned as files that do so.
pub(crate) fn drawn(page: &str) -> Vec<Source> {
    let block = page.lines().skip_while(|line| *line != "```imports").skip(1);
    let files = block.take_while(|line| !line.starts_with("```")).filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = format!("{}.rs", words.next()?);
        Some(Source { name, text: words.map(|module| format!("use crate::{module};")).collect() })
    });
    files.collect()
}

/// Imports of a module that stands above the one that imports it. Without any there is no cycle either.
pub(crate) fn upward(layers: &[String], sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let module = source.module();
        let Some(from) = module.first() else { continue }; // the root may see everything
        let Some(place) = place(layers, from) else { continue }; // `unmapped` tells
        for named in source.paths(true) {
            let to = &named.path[0];
            let at = format!("{}:{}", source.name, named.line);
            match self::place(layers, to) {
                _ if to == from => {}
                None => problems.push(format!("{at}: `crate::{to}` is not on the map")),
                Some(above) if above < place => {
                    problems.push(format!("{at}: `{from}` imports `{to}`, which stands above it"));
                }
                Some(_) => {}
            }
        }
    }
    problems
}

fn place(layers: &[String], module: &str) -> Option<usize> {
    layers.iter().position(|layer| layer == module)
}

/// Modules that are on the map and not in the code, or the other way round.
pub(crate) fn unmapped(layers: &[String], sources: &[Source]) -> Vec<String> {
    let modules: Vec<_> = sources.iter().filter_map(|s| s.module().first().cloned()).collect();
    let missing = |layer: &&String| !modules.contains(layer);
    let gone = layers.iter().filter(missing).map(|m| format!("`{m}` is on the map and not in the code"));
    let unknown = |source: &&Source| source.module().first().is_some_and(|m| !layers.contains(m));
    let new = sources.iter().filter(unknown).map(|s| format!("{}: its module is not on the map", s.name));
    gone.chain(new).collect()
}

/// `pub(in crate::link)` says who may see an item, and imports nothing.
fn is_visibility(source: &Source, named: &Named) -> bool {
    let line = source.text.lines().nth(named.line - 1).unwrap_or_default();
    let own = source.module().starts_with(&named.path);
    own && line.contains(&format!("pub(in crate::{})", named.path.join("::")))
}

/// I/O, clocks and runtimes in what is listed as free of them, and entries that are not there.
pub(crate) fn io_in(list: &[String], sources: &[Source]) -> Vec<String> {
    let listed: Vec<_> = list.iter().map(|entry| entry.replace('/', "::")).collect();
    let pure = |source: &&Source| begins(&listed, &source.module().join("::")) && !source.is_test();
    let mut problems = Vec::new();
    for entry in &listed {
        if !sources.iter().any(|source| begins(std::slice::from_ref(entry), &source.module().join("::"))) {
            problems.push(format!("`{entry}` is on the map and not in the code"));
        }
    }
    for source in sources.iter().filter(pure) {
        let words = source.words().into_iter().filter(|(word, _)| IO.contains(&word.as_str()));
        problems.extend(words.map(|(word, line)| format!("{}:{line}: names `{word}`", source.name)));
        for named in source.paths(false) {
            let path = named.path.join("::");
            if is_visibility(source, &named) {
                continue;
            }
            if !begins(&listed, &path) && !PLAIN.iter().any(|plain| begins(&[(*plain).to_owned()], &path)) {
                problems.push(format!("{}:{}: imports `{path}`, which may do I/O", source.name, named.line));
            }
        }
    }
    problems
}

fn begins(prefixes: &[String], path: &str) -> bool {
    prefixes.iter().any(|prefix| path == prefix || path.starts_with(&format!("{prefix}::")))
}

/// Uses of `word` in other files than those that may.
pub(crate) fn names(word: &str, may: &[&str], sources: &[Source]) -> Vec<String> {
    let others = sources.iter().filter(|source| !may.contains(&source.name.as_str()));
    let uses = others.flat_map(|source| source.words().into_iter().map(move |found| (source, found)));
    let uses = uses.filter(|(_, (found, _))| found == word);
    uses.map(|(source, (_, line))| format!("{}:{line}: names `{word}`", source.name)).collect()
}

/// Files whose first line does not say what the file is for.
pub(crate) fn nameless(folder: &str, sources: &[Source]) -> Vec<String> {
    let says = |line: &str| line.strip_prefix("//! ").is_some_and(|text| !text.trim().is_empty());
    let silent = sources.iter().filter(|source| !source.text.lines().next().is_some_and(says));
    silent
        .map(|source| format!("{folder}/{}: its first line does not say what it is for", source.name))
        .collect()
}

/// Dependencies of the origin and the load generator on the proxy, in the words of `cargo metadata`.
pub(crate) fn shared(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let mut problems = Vec::new();
    for name in ["penstock-origin", "penstock-bench"] {
        let Some(package) = packages.iter().find(|p| p["name"] == name) else {
            problems.push(format!("there is no package `{name}`"));
            continue;
        };
        if list(&package["dependencies"]).iter().any(|d| d["name"] == "penstock") {
            problems.push(format!("`{name}` depends on the proxy"));
        }
    }
    problems
}

/// Packages that need a newer compiler than `penstock` promises, in the words of `cargo metadata`.
pub(crate) fn too_new(metadata: &Value) -> Vec<String> {
    let needs = |package: &Value| package["rust_version"].as_str().map(version);
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let Some(ours) = packages.iter().find(|package| package["name"] == "penstock").and_then(needs) else {
        return vec!["`penstock` promises no compiler".to_owned()];
    };
    let newer = packages.iter().filter(|package| needs(package).is_some_and(|version| version > ours));
    newer.map(|package| format!("{} needs Rust {}", package["name"], package["rust_version"])).collect()
}

/// `1.89` and `1.89.0` are the same.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    [(); 3].map(|()| parts.next().unwrap_or_default())
}
