//! Notes for the access log what happens to a client's exchanges, and hands over records in the order of the responses.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::access_log::{LogRecord, RequestSummary};
use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::proto::http::RequestHead;

use super::{Client, ClientParts};

/// The records of one client's exchanges, oldest first. There are none where the listener has no log.
#[derive(Default)]
pub(super) struct PendingRecords(VecDeque<PendingRecord>);

/// The record of one exchange. It is written if the exchange is sampled, or if it ends badly.
pub(super) struct PendingRecord {
    summary: Option<RequestSummary>,
    began: SystemTime,
    since: Nanos,
    ordinal: u32,
    sampled: bool,
    /// The exchange came to a link.
    reached: bool,
    /// The number of bytes of the request's content so far.
    pub(super) received: u64,
    /// The number of bytes of the answer so far.
    pub(super) sent: u64,
}

impl PendingRecords {
    /// Returns the record of the exchange whose request came last.
    pub(super) fn last(&mut self) -> Option<&mut PendingRecord> {
        self.0.back_mut()
    }

    /// Notes that an exchange is on a link; `before` is the number of exchanges before it.
    pub(super) fn reached(&mut self, before: u32) {
        if let Some(record) = self.0.get_mut(before as usize) {
            record.reached = true;
        }
    }
}

impl ClientParts {
    /// Returns the record of the exchange whose answer comes now, if there is a log.
    pub(super) fn record(&mut self) -> Option<&mut PendingRecord> {
        self.exchanges.records()?.0.front_mut()
    }

    fn begin_record(&mut self, summary: Option<RequestSummary>, since: Nanos, ordinal: u32) {
        let log_writer = self.route.destination().log_writer.as_ref();
        let sampled = log_writer.is_some_and(|log_writer| log_writer.samples());
        let began = SystemTime::now();
        let record =
            PendingRecord { summary, began, since, ordinal, sampled, reached: false, received: 0, sent: 0 };
        self.exchanges.records_or_new().0.push_back(record);
    }
}

impl Client {
    /// Begins the record of an exchange.
    pub(super) fn begin_record(&self, s: &mut ClientParts, head: &RequestHead<'_, '_>, since: Nanos) {
        if s.route.destination().log_writer.is_some() {
            s.begin_record(Some(summary(head)), since, s.reader.requests());
        }
    }

    /// Begins the record of input that cannot be read as a request, with as much of its first line as makes sense.
    pub(super) fn begin_unread(&self, s: &mut ClientParts, bytes: &[u8], since: Nanos) {
        if s.route.destination().log_writer.is_some() {
            s.begin_record(first_line(bytes), since, s.reader.requests() + 1);
        }
    }

    /// Does the same for kept input that will not be whole in time.
    pub(super) fn begin_unread_kept(&self, s: &mut ClientParts) {
        if s.route.destination().log_writer.is_some() {
            s.begin_record(first_line(s.reader.input.bytes()), s.reader.since(), s.reader.requests() + 1);
        }
    }

    /// Writes the oldest record, whose exchange has ended. `status` is 0 where the answer is not complete.
    pub(super) fn write_record(
        &self,
        s: &mut ClientParts,
        status: u16,
        cause: Option<Cause>,
        service: Nanos,
    ) {
        let Some(record) = s.exchanges.records().and_then(|records| records.0.pop_front()) else { return };
        let destination = s.route.destination();
        // Failures are logged even where the sample leaves them out.
        let log_writer = destination.log_writer.as_ref().filter(|_| record.sampled || cause.is_some());
        let Some(log_writer) = log_writer else { return };
        log_writer.write(&LogRecord {
            began: record.began,
            source: self.source(s),
            peer: self.peer,
            listener: &destination.listener.name,
            backend: &destination.group.settings.name,
            member: s.route.assignment().member().filter(|_| record.reached).map(|member| &*member.name),
            request: record.summary.as_ref(),
            status,
            cause,
            received: record.received,
            sent: record.sent,
            duration: self.frontend.event_loop.now().saturating_sub(record.since),
            service,
            ordinal: record.ordinal,
        });
    }
}

/// The number of bytes of unreadable input, 1 KiB, that a record may hold. A higher limit shows more of a long line, and gives
/// a client that sends garbage more room in the log.
const MOST: usize = 1024;

/// Returns the words of a request line, however wrong they are.
fn first_line(bytes: &[u8]) -> Option<RequestSummary> {
    let line =
        bytes[..bytes.len().min(MOST)].split(|b| matches!(b, b'\r' | b'\n')).find(|line| !line.is_empty())?;
    let line = String::from_utf8_lossy(line);
    let minor_version = u8::from(!line.ends_with(" HTTP/1.0"));
    let line = line.strip_suffix(" HTTP/1.0").or_else(|| line.strip_suffix(" HTTP/1.1")).unwrap_or(&line);
    let (method, target) = line.split_once(' ').unwrap_or(("-", line));
    let (method, target) = (method.into(), target.into());
    Some(RequestSummary { method, target, minor_version, host: None, user_agent: None, referer: None })
}

fn summary(head: &RequestHead<'_, '_>) -> RequestSummary {
    let field = |name| head.field(name).map(Into::into);
    RequestSummary {
        method: head.method_text().into(),
        target: head.target().into(),
        minor_version: head.minor_version,
        host: head.host().map(Into::into),
        user_agent: field("user-agent"),
        referer: field("referer"),
    }
}
