//! Many clients at once, each of which asks one request after the other and looks whose answer it gets.
//!
//! A request carries an id, `<client>-<number>`, and an honest server says it again in the field `X-Id`, and in the content if
//! there is any.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A request that has not ended after this time hangs: far above every time-out of the configurations.
const HANGS: Duration = Duration::from_secs(30);

/// What is to be asked.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) to: SocketAddr,
    pub(crate) clients: u32,
    /// Requests of each client.
    pub(crate) each: u32,
}

/// What became of all requests.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    /// Requests that got their own answer.
    pub(crate) answered: u64,
    /// Requests that got what is not their answer.
    pub(crate) mixed_up: u64,
    /// Some of these, in words.
    examples: Vec<String>,
    /// Requests that got an error or lost their connection, by the status or what else was seen.
    errors: BTreeMap<String, u64>,
    /// Requests that never ended.
    pub(crate) hung: u64,
}

enum Outcome {
    Own,
    Others(String),
    Failed(String),
    Hung,
}

impl Load {
    /// Runs it to its end.
    pub(crate) fn run(self) -> Tally {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut clients = JoinSet::new();
            (0..self.clients).for_each(|client| _ = clients.spawn(self.one(client)));
            let mut tally = Tally::default();
            while let Some(outcomes) = clients.join_next().await {
                outcomes.unwrap().into_iter().for_each(|(id, outcome)| tally.note(&id, outcome));
            }
            tally
        })
    }

    async fn one(self, client: u32) -> Vec<(String, Outcome)> {
        let (mut connection, mut outcomes) = (None, Vec::new());
        for number in 0..self.each {
            let id = format!("{client}-{number}");
            let outcome = tokio::time::timeout(HANGS, self.ask(&mut connection, &id)).await;
            outcomes.push((id, outcome.unwrap_or(Outcome::Hung)));
            if matches!(outcomes.last(), Some((_, Outcome::Hung))) {
                break; // the test has failed, and the other requests may hang as well
            }
        }
        outcomes
    }

    async fn ask(&self, connection: &mut Option<TcpStream>, id: &str) -> Outcome {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => match TcpStream::connect(self.to).await {
                Ok(stream) => stream,
                Err(error) => return Outcome::Failed(format!("connect: {error}")),
            },
        };
        stream.set_nodelay(true).unwrap();
        let request = format!("GET /echo?{id} HTTP/1.1\r\nHost: h\r\n\r\n");
        if let Err(error) = stream.write_all(request.as_bytes()).await {
            return Outcome::Failed(error.kind().to_string());
        }
        let mut got = Vec::new();
        loop {
            if let Some((outcome, keeps)) = judge(&got, id) {
                *connection = Some(stream).filter(|_| keeps);
                return outcome;
            }
            match stream.read_buf(&mut got).await {
                Ok(0) => return Outcome::Failed("closed".to_owned()),
                Ok(_) => {}
                Err(error) => return Outcome::Failed(error.kind().to_string()),
            }
        }
    }
}

/// Whose answer it is, if it is whole, and whether another may follow on its connection.
fn judge(got: &[u8], id: &str) -> Option<(Outcome, bool)> {
    let garbage = || {
        let seen = String::from_utf8_lossy(&got[..got.len().min(80)]).into_owned();
        Some((Outcome::Others(format!("{seen:?}")), false))
    };
    if !got.starts_with(&b"HTTP/1.1 "[..got.len().min(9)]) {
        return garbage();
    }
    let end = memchr::memmem::find(got, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&got[..end]).into_owned();
    let field = |name: &str| {
        let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let Some(Ok(length)) = field("content-length").map(|value| value.parse::<usize>()) else {
        return garbage();
    };
    let content = String::from_utf8_lossy(got.get(end..end + length)?).into_owned();
    let keeps = field("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
    let outcome = match (head.get(9..12), field("x-id")) {
        _ if got.len() > end + length => return garbage(), // more than its answer
        (Some("200"), Some(said)) if said == id && (content.is_empty() || content == id) => Outcome::Own,
        (Some("200"), Some(said)) => Outcome::Others(format!("the answer of {said}, with {content:?}")),
        // The proxy's own answers say their cause.
        (status, _) => Outcome::Failed(format!("{} {}", status.unwrap_or_default(), content.trim_end())),
    };
    Some((outcome, keeps))
}

impl Tally {
    /// Whether all got their own answers.
    pub(crate) fn is_right(&self) -> bool {
        self.mixed_up == 0 && self.hung == 0 && self.errors.is_empty()
    }

    fn note(&mut self, id: &str, outcome: Outcome) {
        match outcome {
            Outcome::Own => self.answered += 1,
            Outcome::Others(what) => {
                self.mixed_up += 1;
                if self.examples.len() < 3 {
                    self.examples.push(format!("{id} got {what}"));
                }
            }
            Outcome::Failed(name) => *self.errors.entry(name).or_default() += 1,
            Outcome::Hung => self.hung += 1,
        }
    }
}
