//! Tests that values are accepted in their many forms, and that the schema agrees.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::{
    Affinity, Backend, Forwarded, HeadLimits, Listener, PipelineMethods, REFERENCE, own_name, parse, schema,
};
use serde_json::{Value, json};

use crate::config::tests::{read, settings};

fn listener(options: &str) -> Listener {
    let text = format!(
        "listeners: {{ web: {{ bind: 127.0.0.1:0, backend: app, {options} }} }}
backends: {{ app: {{ members: {{ a: 127.0.0.1:9001 }} }} }}"
    );
    settings(&text).listeners[0].as_ref().clone()
}

fn backend(options: &str) -> Backend {
    let text = format!(
        "listeners: {{ web: {{ bind: '[::1]:8080', backend: app }} }}
backends: {{ app: {{ members: {{ a: 127.0.0.1:9001 }}, {options} }} }}"
    );
    settings(&text).backends[0].as_ref().clone()
}

#[test]
fn defaults() {
    let listener = listener("");
    assert_eq!(listener.http.head, HeadLimits::default());
    assert_eq!(listener.timeouts.idle, Duration::from_secs(60));
    assert_eq!(listener.http.via, Some(own_name()));
    assert_eq!(listener.http.forwarded, Forwarded::XForwarded);
    assert!(listener.socket.nodelay && listener.socket.keepalive.is_none());
    let backend = backend("");
    assert_eq!(backend.links.pipeline_budget, Duration::from_millis(2));
    assert_eq!((backend.links.max_age, backend.links.max_requests), (None, None));
    assert_eq!(
        (backend.links.rescue_after, backend.links.rescue_budget),
        (Some(Duration::from_millis(20)), 10)
    );
    assert_eq!((&listener.framing, &backend.framing), (&None, &None));
    assert_eq!(backend.queue.max, 20_000);
    assert_eq!(backend.members[0].weight, 1);
}

#[test]
fn every_option_is_heard() {
    let l = listener(
        "backlog: 7, forwarded: forwarded, via: off, timeouts: { idle: 1s, head: 2s, body: 3s, write: 4s },
  limits: { head: 4096, fields: 5, line: 1KiB },
  socket: { nodelay: false, keepalive: 1m, send_buffer: 64KiB, receive_buffer: 4KB }",
    );
    let seconds = Duration::from_secs;
    assert_eq!((l.backlog, l.http.forwarded, l.http.via), (7, Forwarded::Rfc7239, None));
    let timeouts = [l.timeouts.idle, l.timeouts.head, l.timeouts.body, l.timeouts.write];
    assert_eq!(timeouts, [1, 2, 3, 4].map(seconds));
    assert_eq!(l.http.head, HeadLimits { bytes: 4096, fields: 5, line: 1024 });
    assert!(!l.socket.nodelay);
    assert_eq!(l.socket.keepalive, Some(seconds(60)));
    assert_eq!((l.socket.send_buffer, l.socket.receive_buffer), (Some(65_536), Some(4_000)));
    let b = backend(
        "links: { max_per_member: 1, pipeline: 2, pipeline_budget: 3us, pipeline_methods: all, idle_timeout: 4s,
  max_age: 5s, max_requests: 6, connect_timeout: 7s, rescue_after: 11ms, rescue_budget: 12% }, queue: { max: 0, timeout: 8s }, response_timeout: 9s,
  socket: { keepalive: 10s }",
    );
    assert_eq!((b.links.max_per_member.get(), b.links.pipeline.get()), (1, 2));
    assert_eq!(b.links.pipeline_budget, Duration::from_micros(3));
    assert_eq!(b.links.pipeline_methods, PipelineMethods::All);
    assert_eq!((b.links.rescue_after, b.links.rescue_budget), (Some(Duration::from_millis(11)), 12));
    assert_eq!((b.links.idle_timeout, b.links.max_age), (seconds(4), Some(seconds(5))));
    assert_eq!((b.links.max_requests.map(u32::from), b.links.connect_timeout), (Some(6), seconds(7)));
    assert_eq!((b.queue.max, b.queue.timeout, b.response_timeout), (0, seconds(8), seconds(9)));
    assert_eq!(b.socket.keepalive, Some(seconds(10)));
    let top = settings(&format!(
        "{}drain_timeout: 0s\n",
        REFERENCE.replace("auto", "3").replace("127.0.0.1:9900", "off")
    ));
    assert_eq!((top.admin, top.workers.get(), top.drain_timeout), (None, 3, Duration::ZERO));
}

#[test]
fn affinity_keys() {
    for (key, v4, v6) in [
        ("source", 32, 128),
        ("source/24", 24, 128),
        ("source/32", 32, 128),
        ("source/33", 32, 33),
        ("source/56", 32, 56),
        ("source/24+56", 24, 56),
        ("source/32+1", 32, 1),
    ] {
        assert_eq!(
            backend(&format!("affinity: {{ key: {key} }}")).affinity,
            Affinity::Source { v4, v6 },
            "{key}"
        );
    }
    assert_eq!(backend("affinity: { key: none }").affinity, Affinity::None);
    let class_c = backend("affinity: { key: source/24 }").affinity;
    let key = |address: &str| class_c.key(address.parse::<IpAddr>().unwrap());
    assert_eq!(key("10.1.2.3"), key("::ffff:10.1.2.200"));
    assert_ne!(key("10.1.2.3"), key("10.1.3.3"));
    for key in [
        "sources",
        "source/",
        "source/0",
        "source/+56",
        "source/33+56",
        "source/24+",
        "source/+24",
        "source/24+129",
    ] {
        let text = REFERENCE.replace("key: source ", &format!("key: {key} "));
        assert_ne!(text, REFERENCE);
        assert!(read(&text).is_err(), "{key}");
    }
}

#[test]
fn quotes_aliases_line_ends_and_empty_sections() {
    let plain = settings(REFERENCE);
    assert_eq!(settings(&REFERENCE.replace('\n', "\r\n")), plain);
    assert_eq!(settings(&format!("\u{feff}{REFERENCE}")), plain);
    assert_eq!(
        settings(&REFERENCE.replace("127.0.0.1:8080", "\"127.0.0.1:8080\"").replace("app", "'app'")),
        plain
    );
    assert_eq!(settings(&REFERENCE.replace("# limits:", "limits:").replace("# queue:", "queue:")), plain);
    let shared = "listeners:
  a: { bind: 127.0.0.1:1, backend: app, timeouts: &short { idle: 1s } }
  b: { bind: 127.0.0.1:2, backend: app, timeouts: *short }
backends: { app: { members: { a: 127.0.0.1:3 } } }";
    assert_eq!(settings(shared).listeners[1].timeouts.idle, Duration::from_secs(1));
}

#[test]
fn the_environment_is_heard() {
    let text = "
# ${NOT} asked for in a comment, ${nor this
admin: ${ADMIN:-off}
listeners: { web: { bind: ${LISTEN}, via: a$$b${EMPTY:-c}, backend: \"${NAME}\" } }
backends: { ${NAME}: { members: { a: '127.0.0.1:${PORT:-9001}' }, links: { pipeline: ${N} } } }
";
    let env = |name: &str| match name {
        "LISTEN" => Some("127.0.0.1:8080".to_owned()),
        "NAME" => Some("app".to_owned()),
        "EMPTY" => Some(String::new()),
        "N" => Some("7".to_owned()),
        _ => None,
    };
    let loaded = parse("config.yaml", text, &env).unwrap_or_else(|m| panic!("{m}"));
    let (listener, backend) = (&loaded.settings.listeners[0], &loaded.settings.backends[0]);
    assert_eq!(loaded.settings.admin, None);
    assert_eq!(listener.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(listener.http.via.as_deref(), Some("a$bc"));
    assert_eq!(backend.members[0].address.to_string(), "127.0.0.1:9001");
    assert_eq!(backend.links.pipeline.get(), 7);
    let other =
        parse("config.yaml", text, &|name| if name == "N" { Some("8".to_owned()) } else { env(name) });
    assert_ne!(other.unwrap().hash, loaded.hash, "the hash is of the expanded text");
}

#[test]
fn the_hash_is_the_same_everywhere() {
    let text = "listeners: { w: { bind: 127.0.0.1:1, backend: b } }\nbackends: { b: { members: { m: 127.0.0.1:2 } } }\n";
    // FNV-1a, 64 bits, of the text: computed elsewhere.
    assert_eq!(read(text).unwrap().hash, HASH);
}

const HASH: u64 = 0x9a6a18da2cb09f16;

/// As `bench/penstock-http.yaml` of the benchmark is written.
#[test]
fn the_benchmark_configuration_loads() {
    let text = r#"# The product's configuration in HTTP scenarios.
admin: 127.0.0.1:9911
workers: ${threads}
listeners:
  web: { bind: "${listen}", protocol: http, backend: app }
backends:
  app:
    affinity: { key: source }
    links: { max_per_member: 64, pipeline: 32, idle_timeout: 60s }
    members: { a: "${origin0}", b: "${origin1}", c: "${origin2}" }
"#;
    let filled = text.replace("${threads}", "1").replace("${listen}", "127.0.0.1:8080");
    let filled = filled.replace("${origin", "127.0.0.1:910").replace("}\"", "\"");
    assert!(!filled.contains('$'), "{filled}");
    let env = |name: &str| match name {
        "threads" => Some("1".to_owned()),
        "listen" => Some("127.0.0.1:8080".to_owned()),
        name => name.strip_prefix("origin").map(|n| format!("127.0.0.1:910{n}")),
    };
    assert_eq!(settings(&filled), parse("bench.yaml", text, &env).unwrap().settings);
}

pub(crate) fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&serde_json::from_str(&schema()).unwrap()).unwrap()
}

/// Each value at one place of an otherwise good file: the reader and the schema agree on it.
#[test]
fn the_schema_agrees_with_the_reader() {
    agree([
        ("/workers", json!(["auto", 4, "${N}"]), json!([0, "many", true, []])),
        ("/admin", json!(["off", "127.0.0.1:1", "[::1]:1"]), json!([9900, "localhost:1", ":1", "127.0.0.1"])),
        (
            "/control",
            json!(["off", "unix:/a", "unix:/run/penstock/control.sock"]),
            json!(["unix:a", "unix:@a", "unix:/a/", "/a", "127.0.0.1:1", "on"]),
        ),
        ("/drain_timeout", json!(["0s", "1m30s", "500us"]), json!([30, "30", "s", "30s1m", ""])),
        (
            "/listeners/web/protocol",
            json!(["http", "tcp", "lines", "length_prefixed", "resp"]),
            json!(["udp", 1]),
        ),
        (
            "/listeners/web/bind",
            json!(["unix:/a", "unix:/run/a b.sock", "127.0.0.1:1"]),
            json!(["unix:a", "unix:@a", "unix:", "unix:/a/", "/a", &format!("unix:/{}", "a".repeat(107))]),
        ),
        (
            "/listeners/web/trusted",
            json!(["none", "any", "::1", "10.0.0.0/8", ["10.0.0.0/8"], ["${N}::1", "::/0"]]),
            json!(["all", [], ["any"], ["::1", "::1"], [["::1"]], { "a": 1 }, 1, ["10.0.0.0:1"]]),
        ),
        ("/listeners/web/max_connections", json!(["off", 1]), json!([0, 1_000_001, "none"])),
        ("/listeners/web/tunnel", json!([null, { "idle_timeout": "off" }]), json!([{ "idle_timeout": 0 }])),
        ("/listeners/web/proxy_protocol", json!(["off"]), json!(["v1", true])),
        ("/listeners/web/socket/user_timeout", json!(["off", "1ms"]), json!([1, "on"])),
        ("/listeners/web/socket/tos", json!(["auto", 0, 255]), json!([256, -1, "0x10"])),
        ("/listeners/web/socket/mark", json!(["off", 1, 4_294_967_295_u32]), json!([0, 4_294_967_296_u64])),
        ("/listeners/web/socket/congestion", json!(["auto", "bbr"]), json!(["Bbr", "", "a".repeat(16), 3.5])),
        ("/backends/app/proxy_protocol", json!(["off"]), json!(["v3", "required"])),
        (
            "/backends/app/source_addresses",
            json!(["auto", "127.0.0.2", ["127.0.0.2", "127.0.0.3"]]),
            json!(["any", ["auto"], [], "127.0.0.2:80", "127.0.0.0/8", ["127.0.0.2", "127.0.0.2"]]),
        ),
        ("/backends/app/links/max_per_member", json!(["auto", 1, 65535]), json!([0, 65536, "off"])),
        ("/backends/app/links/warm", json!([0]), json!([-1, 10_001, "off"])),
        ("/listeners/web/via", json!(["off", "auto", "a.b"]), json!(["a b", ""])),
        (
            "/listeners/web/limits",
            json!([null, {}, { "head": "64KiB" }]),
            json!([3, "x", { "heads": "1KiB" }]),
        ),
        ("/listeners/web/limits/fields", json!([1, 256]), json!([0, 257, "x", 1.5])),
        ("/listeners/web/limits/head", json!(["64KiB", 65536]), json!(["64K", "64", 100, -1])),
        ("/listeners/web/socket/nodelay", json!([true, false]), json!(["yes", 1])),
        (
            "/backends/app/affinity/key",
            json!(["none", "source/24", "source/24+56"]),
            json!(["source/0", "source/129", "x"]),
        ),
        ("/backends/app/links/evict_idle", json!(["off", "5m", "1ms"]), json!([0, "never", "auto"])),
        (
            "/backends/app/links/max_per_source",
            json!(["auto", "off", 1, 65535]),
            json!([0, 65536, "quarter"]),
        ),
        ("/backends/app/links/max_age", json!(["off", "1h"]), json!([0, "never"])),
        ("/backends/app/links/pipeline", json!(["auto", 1, 1024]), json!([0, 1025])),
        (
            "/backends/app/members/a",
            json!(["127.0.0.1:1", "unix:/app.sock", { "address": "127.0.0.1:1", "weight": 2 }]),
            json!([{}, { "weight": 2 }, 1, null, "unix:app.sock"]),
        ),
        ("/backends/app/members", json!([]), json!([{}, null, [], { "a b": "127.0.0.1:1" }])),
        ("/colour", json!([]), json!(["red"])),
    ]);
}

#[test]
fn the_schema_agrees_with_the_reader_on_frames_and_rescue() {
    agree([
        (
            "/listeners/web/framing",
            json!([null, {}, { "terminator": "crlf" }]),
            json!([{ "terminators": "lf" }, 1]),
        ),
        ("/listeners/web/framing/max_length", json!(["auto", "1MiB", 64]), json!(["off", 0, "1M"])),
        ("/listeners/web/framing/terminator", json!(["lf", "crlf"]), json!(["cr", "\n"])),
        ("/listeners/web/framing/length_bytes", json!([1, 2, 4, 8, "${WIDTH}"]), json!([0, 3, 16, "auto"])),
        ("/listeners/web/framing/byte_order", json!(["big", "little"]), json!(["network"])),
        ("/listeners/web/framing/length_offset", json!([0, 65535]), json!([-1, 65536])),
        ("/listeners/web/framing/length_includes_header", json!([true, false]), json!(["yes"])),
        ("/listeners/web/framing/repeatable", json!([true, false]), json!(["safe"])),
        (
            "/listeners/web/framing/refusal",
            json!(["auto", "close", "ERR\n", "\nhex:0", "hex:0A", "hexadecimal"]),
            json!(["", "hex:", "hex:0", "hex:0g", "hex:00\n", "hex:0a hex:0b"]),
        ),
        ("/backends/app/links/rescue_after", json!(["off", "20ms"]), json!([20, "20", "auto"])),
        (
            "/backends/app/links/rescue_budget",
            json!(["0%", "100%"]),
            json!([10, "10", "101%", "010%", "1.5%", "off"]),
        ),
    ]);
}

/// Each of the good and of the bad values at a place.
pub(crate) fn agree(places: impl IntoIterator<Item = (&'static str, Value, Value)>) {
    let validator = validator();
    let env = |name: &str| Some(if name == "WIDTH" { "8" } else { "3" }.to_owned());
    for (pointer, good, bad) in places {
        for (values, verdict) in [(good, true), (bad, false)] {
            for value in values.as_array().unwrap() {
                let file = at(pointer, value);
                // JSON is YAML.
                let read = parse("c.yaml", &file.to_string(), &env);
                assert_eq!(read.is_ok(), verdict, "the reader on {pointer}: {value}: {:?}", read.err());
                assert_eq!(validator.is_valid(&file), verdict, "the schema on {pointer}: {value}");
            }
        }
    }
}

fn at(pointer: &str, value: &Value) -> Value {
    let mut file = json!({
        "listeners": { "web": { "bind": "127.0.0.1:8080", "backend": "app" } },
        "backends": { "app": { "members": { "a": "127.0.0.1:9001" } } },
    });
    let mut place = &mut file;
    for key in pointer.split('/').skip(1) {
        place = &mut place[key];
    }
    *place = value.clone();
    file
}

#[test]
fn the_schema_describes_every_option() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["listeners", "backends"]));
    let links =
        &schema["properties"]["backends"]["additionalProperties"]["properties"]["links"]["properties"];
    assert_eq!(links["pipeline"]["default"], "auto");
    assert_eq!(links["idle_timeout"]["default"], "4s");
    assert!(links["idle_timeout"]["description"].is_string());
}
