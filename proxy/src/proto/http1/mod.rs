//! HTTP/1.1 heads and content for a proxy (RFC 9110, RFC 9112), without I/O and without buffers.
//!
//! Bytes go in as they were read; out come "partial", a head to forward, runs of content, or a rejection. The rules have
//! numbers in `docs/http-rules.md`.

mod answer;
mod body;
mod chunked;
mod coding;
mod connection;
mod fields;
mod forward;
mod framing;
mod method;
mod name;
mod relay;
mod request;
mod response;
mod route;
mod rule;
mod seen;
mod target;
mod trailers;
mod upgrade;
mod verdict;
mod via;
mod walk;

use super::text;

pub use answer::{Date, error_answer};
pub use body::{BodyDecoder, BodyEncoder};
pub use coding::Codings;
pub use fields::Fields;
pub use forward::Forwarding;
pub use framing::BodyFraming;
pub use method::Method;
pub use relay::Outgoing;
pub use request::{Ask, Request, parse_request};
pub use response::{Response, parse_response};
pub use route::route;
pub use verdict::{BodyError, Parsed, Reject, Step};
