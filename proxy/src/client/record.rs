//! Notes what the access log needs of a client's exchanges, and hands over entries in the order of the responses.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::access_log::{LogRecord, RequestSummary};
use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::proto::http::RequestHead;

use super::Client;
use super::inner::ClientInner;

/// The exchanges of one client, oldest first; always empty where there is no log.
#[derive(Default)]
pub(super) struct PendingRecords(VecDeque<PendingRecord>);

/// One exchange that is to be noted, if it is one of those that are, or if it ends badly.
pub(super) struct PendingRecord {
    summary: Option<RequestSummary>,
    began: SystemTime,
    since: Nanos,
    ordinal: u32,
    sampled: bool,
    /// It came to a link.
    reached: bool,
    /// Bytes of its content so far.
    pub(super) received: u64,
    /// Bytes of its answer so far.
    pub(super) sent: u64,
}

impl PendingRecords {
    /// The exchange whose answer comes now.
    pub(super) fn record(&mut self) -> Option<&mut PendingRecord> {
        self.0.front_mut()
    }

    /// The exchange whose request came last.
    pub(super) fn last(&mut self) -> Option<&mut PendingRecord> {
        self.0.back_mut()
    }

    /// The exchange with so many before it is on a link.
    pub(super) fn reached(&mut self, before: u32) {
        if let Some(record) = self.0.get_mut(before as usize) {
            record.reached = true;
        }
    }
}

impl Client {
    /// An exchange begins.
    pub(super) fn begin_record(&self, s: &mut ClientInner, head: &RequestHead<'_, '_>, since: Nanos) {
        if s.destination.log_writer.is_some() {
            begin_record(s, Some(summary(head)), since, s.requests);
        }
    }

    /// What came is no request that can be read. Its first line is noted as far as it tells something.
    pub(super) fn begin_unread(&self, s: &mut ClientInner, bytes: &[u8], since: Nanos) {
        if s.destination.log_writer.is_some() {
            begin_record(s, first_line(bytes), since, s.requests + 1);
        }
    }

    /// The first of those that are noted has ended. `status` is 0 where it was not answered to its end.
    pub(super) fn write_record(
        &self,
        s: &mut ClientInner,
        status: u16,
        cause: Option<Cause>,
        service: Nanos,
    ) {
        let Some(record) = s.cold.as_mut().and_then(|cold| cold.records.0.pop_front()) else { return };
        let Some(log_writer) =
            s.destination.log_writer.as_ref().filter(|_| record.sampled || cause.is_some())
        else {
            return;
        };
        log_writer.write(&LogRecord {
            began: record.began,
            source: self.source(s),
            peer: self.peer,
            listener: &s.destination.listener.name,
            backend: &s.destination.group.settings.name,
            member: s.assignment.member().filter(|_| record.reached).map(|member| &*member.name),
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

fn begin_record(s: &mut ClientInner, summary: Option<RequestSummary>, since: Nanos, ordinal: u32) {
    let sampled = s.destination.log_writer.as_ref().is_some_and(|log_writer| log_writer.samples());
    let began = SystemTime::now();
    s.cold().records.0.push_back(PendingRecord {
        summary,
        began,
        since,
        ordinal,
        sampled,
        reached: false,
        received: 0,
        sent: 0,
    });
}

/// No more than this is noted of what cannot be read.
const MOST: usize = 1024;

/// The words of a request line, whatever is wrong with them.
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
