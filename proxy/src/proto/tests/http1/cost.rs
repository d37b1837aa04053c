//! Measures what parsing and forwarding cost. It prints, and asserts nothing on time.
//!
//! Run it by hand, alone and optimised: `cargo test --release -p penstock --lib -- --ignored --nocapture http1::cost`.

use std::hint::black_box;
use std::time::Instant;

use crate::config::{Forwarded, HeadLimits};
use crate::proto::http1::{FieldRoom, Forwarding, Parsed, parse_request, parse_response};

use crate::proto::tests::http1::given::{GET, NOW, Way, source};

const ROUNDS: u32 = 1_000_000;

const WRK: &[u8] = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
const BROWSER: &[u8] = b"GET /assets/site.css?v=3 HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/css,*/*;q=0.1\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\nReferer: http://www.example.org/\r\nCookie: sid=0123456789abcdef0123456789abcdef\r\nSec-Fetch-Dest: style\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n\r\n";
const NGINX: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 21:11:32 GMT\r\nContent-Type: text/plain\r\nContent-Length: 28\r\nConnection: keep-alive\r\n\r\n";

fn measure(name: &str, mut once: impl FnMut(&mut Vec<u8>)) {
    let mut out = Vec::with_capacity(4096);
    let mut best = f64::MAX;
    for _ in 0..7 {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            out.clear();
            once(&mut out);
            black_box(&out);
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
    }
    println!("{name}: {best:.0} ns");
}

fn request(head: &[u8], way: &Way, out: &mut Vec<u8>) {
    let mut fields = FieldRoom::new();
    let parsed = parse_request(black_box(head), &way.rules, &mut fields);
    let Ok(Parsed::Head { head, .. }) = parsed else { panic!("{parsed:?}") };
    head.forward(&Forwarding { peer: way.peer, rules: &way.rules, no_expect: way.no_expect }, out);
}

#[test]
#[ignore = "a measurement, to be run alone and optimised"]
fn cost() {
    let off = source("127.0.0.1", Forwarded::Off);
    let full = source("127.0.0.1", Forwarded::XForwarded).ruled(|rules| rules.via = Some("penstock".into()));
    measure("wrk request, forwarded as it is", |out| request(WRK, &off, out));
    measure("wrk request, X-Forwarded-* and Via added", |out| request(WRK, &full, out));
    measure("browser request, X-Forwarded-* and Via added", |out| request(BROWSER, &full, out));
    measure("nginx response", |out| {
        let mut fields = FieldRoom::new();
        let parsed = parse_response(black_box(NGINX), &HeadLimits::default(), GET.framing(), &mut fields);
        let Ok(Parsed::Head { head, .. }) = parsed else { panic!("{parsed:?}") };
        head.forward(GET.format(), false, NOW, out).expect("an answer that the client takes");
    });
}
