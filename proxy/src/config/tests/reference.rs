//! Tests that `config.yaml` is true: it has every option once, with its sentence and its real default.

use std::collections::BTreeMap;

use crate::config::{Affinity, Protocol, REFERENCE, Settings, schema};
use serde_json::{Value, json};

use crate::config::tests::settings;

/// The reference with every option active, and the example of routes.
fn with_routes() -> String {
    let all = uncommented();
    let (before, from) = all.split_once("    ## routes:").unwrap();
    let (routes, behind) = from.split_once("\n\n").unwrap();
    format!("{before}    routes:{}\n\n{behind}", routes.replace("    ## ", "    "))
}

/// The reference with every option active.
fn uncommented() -> String {
    let active = |line: &str| {
        let Some((indent, rest)) = line.split_once("# ") else { return line.to_owned() };
        let key = rest.trim_start().split(' ').next().unwrap_or_default().strip_suffix(':');
        let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let option = indent.trim().is_empty() && key.is_some_and(is_key);
        if option { format!("{indent}{rest}") } else { line.to_owned() }
    };
    REFERENCE.lines().map(|line| active(line) + "\n").collect()
}

/// What is said of an option: its default (or whatever stands there) and its sentence.
type Said = (Option<String>, String);

/// Every option in the schema, by path; names that the user chooses are `*`.
fn options() -> BTreeMap<String, Said> {
    let mut found = BTreeMap::new();
    walk(&serde_json::from_str(&schema()).unwrap(), "", &mut found);
    found
}

fn walk(node: &Value, path: &str, found: &mut BTreeMap<String, Said>) {
    for (key, option) in node["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        let default = option.get("default").map(|d| d.as_str().map_or_else(|| d.to_string(), str::to_owned));
        found.insert(path.clone(), (default, option["description"].as_str().unwrap().to_owned()));
        walk(option, &path, found);
    }
    let forms = node["anyOf"].as_array().into_iter().flatten();
    forms.for_each(|form| walk(form, path, found));
    if node["items"].is_object() {
        walk(&node["items"], path, found);
    }
    if node["additionalProperties"].is_object() {
        walk(&node["additionalProperties"], &format!("{path}.*"), found);
    }
}

/// The lines of `text` that are keys: indent, key, value (may be empty), comment.
fn keys(text: &str) -> impl Iterator<Item = (usize, &str, &str, &str)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    lines.map(|line| {
        // What begins an item of a list counts as space.
        let (key, rest) = line.trim_start_matches([' ', '-']).split_once(':').unwrap();
        let (value, comment) = rest.split_once('#').unwrap_or((rest, ""));
        (line.len() - rest.len() - 1 - key.len(), key, value.trim(), comment.trim())
    })
}

/// Every key of the reference: its path, with `*` for names, and what is said there.
fn lines(options: &BTreeMap<String, Said>) -> Vec<(String, Said)> {
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for (indent, key, value, comment) in keys(&with_routes()) {
        open.retain(|(outer, _)| *outer < indent);
        let parent = open.last().map_or("", |(_, path)| path);
        let named = !options.contains_key(&format!("{parent}.{key}"));
        let path = if named { format!("{parent}.*") } else { format!("{parent}.{key}") };
        open.push((indent, path.clone()));
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        found.push((path, (value, comment.to_owned())));
    }
    found
}

/// The same file in JSON; enough of YAML for a file of block maps.
fn as_json(text: &str) -> Value {
    let mut root = json!({});
    let mut open: Vec<(usize, String)> = Vec::new();
    for (indent, key, value, _) in keys(text) {
        open.retain(|(outer, _)| *outer < indent);
        let parent = open.iter().fold(&mut root, |place, (_, key)| &mut place[key.as_str()]);
        parent[key] = match value {
            "" => json!({}),
            value => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
        };
        open.push((indent, key.to_owned()));
    }
    root
}

#[test]
fn the_schema_accepts_it() {
    let validator = crate::config::tests::values::validator();
    for text in [REFERENCE.to_owned(), uncommented()] {
        let file = as_json(&text);
        assert_eq!(settings(&file.to_string()), settings(REFERENCE), "the conversion of this test");
        assert!(validator.is_valid(&file), "{:?}", validator.iter_errors(&file).next());
    }
}

#[test]
fn names_every_option_once_with_its_sentence_and_default() {
    let options = options();
    assert!(options.len() > 40, "the schema lost its options: {options:?}");
    let mut written: BTreeMap<String, Vec<Said>> = BTreeMap::new();
    for (path, said) in lines(&options) {
        written.entry(path).or_default().push(said);
    }
    for (path, (default, sentence)) in &options {
        let said = written.remove(path).unwrap_or_default();
        let [(value, comment)] = &said[..] else { panic!("{path} is there {} times", said.len()) };
        assert_eq!(comment, sentence, "the sentence of {path}");
        let is_example = path.starts_with(".listeners.*.routes.");
        assert!(
            default.is_none() || default == value || is_example,
            "the default of {path} is {default:?}, not {value:?}"
        );
    }
    let names: Vec<_> = written.keys().collect();
    assert_eq!(names, [".backends.*", ".backends.*.members.*", ".listeners.*"], "keys that are no options");
}

#[test]
fn its_defaults_are_the_real_ones() {
    let all = uncommented();
    assert!(all.lines().filter(|line| REFERENCE.lines().all(|l| l != *line)).count() > 25, "{all}");
    assert_eq!(settings(&all), settings(REFERENCE));
}

#[test]
fn its_active_content_is_the_promised_one() {
    let promised = "
admin: 127.0.0.1:9900
workers: auto
listeners:
  web: { bind: 127.0.0.1:8080, protocol: http, backend: app }
backends:
  app:
    affinity: { key: source }
    links: { max_per_member: 64, pipeline: auto, idle_timeout: 4s }
    members: { a: 127.0.0.1:9001, b: 127.0.0.1:9002, c: 127.0.0.1:9003 }
";
    let believed = settings(REFERENCE);
    assert_eq!(believed, settings(promised));
    assert_eq!(believed.backends[0].members.len(), 3);
    assert_eq!(believed.backends[0].affinity, Affinity::Source { v4: 32, v6: 128 });
    assert_eq!(believed.workers, std::thread::available_parallelism().unwrap());
}

#[test]
fn its_examples_work() {
    let text = REFERENCE.replace("  ## ", "  ");
    let read = crate::config::tests::read(&text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    assert_eq!(read.warnings, []);
    let Settings { listeners, backends, .. } = &read.settings;
    let speaks = listeners.iter().map(|l| (&*l.name, l.protocol)).collect::<Vec<_>>();
    let expected = [
        ("web", Protocol::Http),
        ("db", Protocol::Tcp),
        ("cache", Protocol::Resp),
        ("prices", Protocol::Lines),
        ("till", Protocol::LengthPrefixed),
    ];
    assert_eq!(speaks, expected);
    for listener in listeners {
        let backend = &backends[listener.backend];
        assert_eq!((backend.protocol, &backend.framing), (listener.protocol, &listener.framing));
    }
    let [api] = &listeners[0].routes[..] else { panic!("{:?}", listeners[0].routes) };
    assert_eq!((&*backends[api.backend].name, api.path_prefix.as_deref()), ("api", Some("/v1")));
    let db = &listeners[1];
    let pg = &read.settings.backends[db.backend];
    assert_eq!((&*pg.name, pg.protocol, pg.members.len()), ("pg", Protocol::Tcp, 2));
}

#[test]
fn it_reads_without_warnings_and_fits_a_screen() {
    assert_eq!(crate::config::tests::read(REFERENCE).unwrap().warnings, []);
    for (i, line) in REFERENCE.lines().enumerate() {
        assert!(line.chars().count() <= 110, "line {} is long", i + 1);
    }
}
