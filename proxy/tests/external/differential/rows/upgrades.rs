//! D5: Expect, upgrades and tunnels (RFC 9110 sections 10.1.1, 7.8 and 9.3.6, RFC 6455).

use crate::differential::row::{Look, Reply, Row, Suspect, get, post, row};

const SWITCH: Reply = Reply::Switch(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
);
/// The same without the proof that the member has read the key.
const BARE: Reply =
    Reply::Switch("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
const NAMED: &str = "`upgrades` names the protocols that a connection may become; by default only websocket";
const ONE_HOP: &str =
    "Upgrade is a hop-by-hop field that Connection must name, and HTTP/1.0 does not know it";
const UPGRADE: &[&str] = &["upgrade", "connection"];
/// The fields of RFC 6455.
const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

pub(crate) fn rows() -> Vec<Row> {
    [expectations(), upgrades(), tunnels()].concat()
}

fn expectations() -> Vec<Row> {
    const EXPECT: &[&str] = &["expect"];
    let old =
        "POST /a HTTP/1.0\r\nHost: example.com\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    let five = "Expect: 100-continue\r\nContent-Length: 5";
    vec![
        row("S10.1.1", "`Expect: 100-continue`", post(five, "hello"))
            .fields(EXPECT)
            .ours("`expect: 100-continue`"),
        row("S10.1.1", "a client that waits for 100 gets it", post(five, ""))
            .then("hello")
            .look(Look::Statuses)
            .ours("100, 200"),
        row("S10.1.1", "the member says no instead of 100", post(five, ""))
            .then("hello")
            .reply(Reply::Early("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
            .look(Look::Statuses)
            .ours("403"),
        row(
            "S10.1.1",
            "`Expect: 100-Continue`, another case",
            post("Expect: 100-Continue\r\nContent-Length: 5", "hello"),
        )
        .look(Look::Content)
        .ours("`content-length: 5`, `hello`"),
        row("S10.1.1", "an unknown expectation", post("Expect: x\r\nContent-Length: 5", "hello"))
            .fields(EXPECT)
            .bad("expect: x")
            .ours("417")
            .because("an expectation that is not understood cannot be met"),
        row("S5.6.1", "Expect without a value", post("Expect:\r\nContent-Length: 5", "hello"))
            .fields(EXPECT)
            .ours("removed"),
        row("S5.6.1", "`Expect: 100-continue,`", post("Expect: 100-continue,\r\nContent-Length: 5", "hello"))
            .fields(EXPECT)
            .ours("`expect: 100-continue`"),
        row("S10.1.1", "Expect of a client of 1.0", old).fields(EXPECT).bad("expect").ours("removed"),
    ]
}

fn upgrades() -> Vec<Row> {
    let h2c =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA";
    let old = format!("GET /a HTTP/1.0\r\nHost: example.com\r\n{WEBSOCKET}\r\n\r\n");
    vec![
        row("S7.8", "Upgrade to websocket", get(WEBSOCKET))
            .fields(UPGRADE)
            .ours("`upgrade: websocket`, `connection: Upgrade`"),
        row("S7.8", "Upgrade to h2c", get(h2c))
            .fields(&["upgrade", "http2-settings"])
            .bad("upgrade: h2c")
            .ours("removed")
            .because(NAMED),
        row("S7.8", "Upgrade to anything else", get("Connection: Upgrade\r\nUpgrade: x/1"))
            .fields(UPGRADE)
            .bad("upgrade: x/1")
            .ours("removed")
            .because(NAMED),
        row("S7.8", "Upgrade to websocket or h2c", get("Connection: Upgrade\r\nUpgrade: h2c, websocket"))
            .fields(UPGRADE)
            .bad("h2c")
            .ours("`upgrade: websocket`, `connection: Upgrade`"),
        row("S7.8", "Upgrade that Connection does not name", get("Upgrade: websocket"))
            .fields(UPGRADE)
            .bad("upgrade: websocket")
            .ours("removed")
            .because(ONE_HOP),
        row("S7.8", "Upgrade in HTTP/1.0", old)
            .fields(UPGRADE)
            .bad("upgrade: websocket")
            .ours("removed")
            .because(ONE_HOP),
        row("S7.8", "Upgrade with content", post(&format!("{WEBSOCKET}\r\nContent-Length: 5"), "hello"))
            .fields(UPGRADE)
            .bad("upgrade: websocket")
            .ours("removed"),
    ]
}

fn tunnels() -> Vec<Row> {
    let early = format!(
        "{}GET /hidden HTTP/1.1\r\nHost: example.com\r\n\r\n",
        String::from_utf8_lossy(&get(WEBSOCKET))
    );
    vec![
        row("S15.2.2", "101 makes a tunnel", get(WEBSOCKET)).reply(SWITCH).look(Look::Tunnel).ours("tunnel"),
        row("RFC 6455", "101 without Sec-WebSocket-Accept", get(WEBSOCKET))
            .reply(BARE)
            .look(Look::Tunnel)
            .ours("tunnel"),
        row("S7.8", "101 to an upgrade that was not passed on", get("Connection: Upgrade\r\nUpgrade: h2c"))
            .reply(Reply::Switch(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            ))
            .look(Look::Statuses)
            .bad("101 ")
            .ours("502")
            .because(NAMED),
        row("S7.8", "no 101: the connection stays HTTP", get(WEBSOCKET)).look(Look::Tunnel).ours("no tunnel"),
        row("S7.8", "a request right behind the upgrade, no 101", early)
            .look(Look::Targets)
            .suspect(Suspect::Untouched)
            .ours("`/a`, `/hidden`"),
        row("S7.8", "101 without Upgrade", get(WEBSOCKET))
            .reply(Reply::Switch("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
            .look(Look::Statuses)
            .bad("101 ")
            .ours("502"),
    ]
}
