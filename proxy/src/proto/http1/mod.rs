//! HTTP/1.1 on the wire (RFC 9112): heads and content, parsed and written, without I/O and without buffers.
//!
//! Bytes go in as they were read. The result is "partial", a head (`http`), runs of content, or a rejection. The rules have
//! numbers in `docs/http-rules.md`.

mod added_fields;
mod answer;
mod body;
mod chunked;
mod error;
mod fields;
mod framing;
mod parse_request;
mod parse_response;
mod request_fields;
#[cfg(test)]
mod tests;
mod write_request;
mod write_response;

use super::text;

pub use added_fields::Date;
pub use answer::error_answer;
pub use body::{BodyDecoder, BodyEncoder};
pub use error::{BodyError, BodyStep, Parsed};
pub use fields::FieldRoom;
pub use parse_request::parse_request;
pub use parse_response::parse_response;
pub use write_request::Forwarding;
pub use write_response::{Outgoing, ResponseWriter};
