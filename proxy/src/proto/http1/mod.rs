//! HTTP/1.1 heads and content for a proxy (RFC 9110, RFC 9112), without I/O and without buffers.
//!
//! Bytes go in as they were read; out come "partial", a head to forward, runs of content, or a rejection. The rules have
//! numbers in `docs/http-rules.md`.

mod answer;
mod body;
mod chunked;
mod client_address;
mod coding;
mod connection;
mod error;
mod fields;
mod framing;
mod method;
mod name;
mod request;
mod request_class;
mod request_fields;
mod response;
mod rule;
mod target;
mod trailers;
mod upgrade;
mod via;
mod write_request;
mod write_response;

use super::text;

pub use answer::{Date, error_answer};
pub use body::{BodyDecoder, BodyEncoder};
pub use coding::Codings;
pub use error::{BodyError, BodyStep, Parsed, Reject};
pub use fields::FieldRoom;
pub use framing::BodyFraming;
pub use method::Method;
pub use request::{Ask, Request, ResponseFormat, parse_request};
pub use request_class::request_class;
pub use response::{Response, parse_response};
pub use write_request::Forwarding;
pub use write_response::{Outgoing, ResponseWriter};
