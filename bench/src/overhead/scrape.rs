//! Reads counters from a proxy's `/metrics` in the text format of Prometheus.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The sums, over all labels, of the metrics of penstock that concern a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    pub(crate) requests: f64,
    pub(crate) client_received_bytes: f64,
    pub(crate) client_sent_bytes: f64,
    pub(crate) backend_sent_bytes: f64,
    pub(crate) backend_received_bytes: f64,
    /// The connections of clients and to members, at the moment of the scrape.
    pub(crate) client_connections: f64,
    pub(crate) backend_connections: f64,
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Where metrics are scraped.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) to: SocketAddr,
    pub(crate) path: String,
}

impl Metrics {
    /// Scrapes once. The error is a reason without the address.
    pub(crate) fn scrape(&self) -> Result<Counters, String> {
        let text = self.get().map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("no metrics within {PATIENCE:?}"),
            _ => format!("the metrics cannot be read: {error}"),
        })?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("the metrics are no HTTP answer")?;
        if head.split(' ').nth(1) != Some("200") {
            let status = head.lines().next().unwrap_or_default();
            return Err(format!("the metrics are answered with {status:?}"));
        }
        if !body.contains("penstock_") {
            return Err("the metrics are not those of penstock".to_owned());
        }
        Ok(Counters::read(body))
    }

    fn get(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // HTTP/1.0 has no chunked answers.
        let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", self.path, self.to);
        stream.write_all(request.as_bytes())?;
        let (mut answer, mut bytes) = (Vec::new(), [0; 16 * 1024]);
        loop {
            let n = stream.read(&mut bytes)?;
            answer.extend_from_slice(&bytes[..n]);
            // Some servers keep the connection open although they were asked to close it.
            if n == 0 || whole_length(&answer).is_some_and(|length| answer.len() >= length) {
                return Ok(String::from_utf8_lossy(&answer).into_owned());
            }
        }
    }
}

/// Returns the length of a whole answer, if its head has come and says it.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + length?)
}

impl Counters {
    fn read(text: &str) -> Self {
        let sum = |name: &str| {
            let value = |line: &str| {
                let rest = line.strip_prefix(name)?;
                // The name may be the beginning of a longer one.
                rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
            };
            text.lines().filter_map(value).sum::<f64>()
        };
        Self {
            requests: sum("penstock_requests_total"),
            client_received_bytes: sum("penstock_client_received_bytes_total"),
            client_sent_bytes: sum("penstock_client_sent_bytes_total"),
            backend_sent_bytes: sum("penstock_backend_sent_bytes_total"),
            backend_received_bytes: sum("penstock_backend_received_bytes_total"),
            client_connections: sum("penstock_client_connections"),
            backend_connections: sum("penstock_backend_connections"),
        }
    }

    /// Returns the growth of the counters. The connections are those of `self`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            client_received_bytes: self.client_received_bytes - before.client_received_bytes,
            client_sent_bytes: self.client_sent_bytes - before.client_sent_bytes,
            backend_sent_bytes: self.backend_sent_bytes - before.backend_sent_bytes,
            backend_received_bytes: self.backend_received_bytes - before.backend_received_bytes,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_told_from_longer_names() {
        let text = "# HELP penstock_requests_total Answers\n# TYPE penstock_requests_total counter\n\
                    penstock_requests_total{listener=\"a b\",code=\"2xx\"} 5\npenstock_requests_total{code=\"5xx\"} 2\n\
                    penstock_client_connections{state=\"idle\"} 3\npenstock_client_connections_accepted_total 9\n\
                    penstock_backend_sent_bytes_total 1.5e3\n";
        let counters = Counters::read(text);
        assert_eq!((counters.requests, counters.client_connections), (7.0, 3.0));
        assert_eq!((counters.backend_sent_bytes, counters.backend_connections), (1500.0, 0.0));
        let before = Counters { requests: 4.0, client_connections: 2.0, ..Counters::default() };
        let grown = counters.since(&before);
        assert_eq!((grown.requests, grown.client_connections), (3.0, 3.0));
    }

    #[test]
    fn metrics_come_over_http_and_others_are_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let metrics = Metrics { to: listener.local_addr().unwrap(), path: "/metrics".to_owned() };
        std::thread::spawn(move || {
            for answer in [
                "200 OK\r\n\r\npenstock_requests_total 12\n",
                "200 OK\r\n\r\ngo_goroutines 8\n",
                "404 Not Found\r\n\r\npenstock_",
            ] {
                let mut stream = listener.accept().unwrap().0;
                let mut request = [0; 1000];
                let n = stream.read(&mut request).unwrap();
                assert!(request[..n].starts_with(b"GET /metrics HTTP/1.0\r\n"));
                write!(stream, "HTTP/1.1 {answer}").unwrap();
            }
        });
        assert_eq!(metrics.scrape().unwrap().requests, 12.0);
        assert!(metrics.scrape().unwrap_err().contains("not those of penstock"));
        assert!(metrics.scrape().unwrap_err().contains("404"));
    }
}
