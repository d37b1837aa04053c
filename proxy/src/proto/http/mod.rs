//! The meaning of an HTTP message to a proxy (RFC 9110), in whatever form it came: heads whose fields borrow the bytes that
//! they came in, and the conclusions from them. Nothing here knows how a message is written; `http1` does.
//!
//! A head that came as HTTP/1.1 keeps its bytes (`wire`), so that the fields that travel on are copied in runs. The rules have
//! numbers in `docs/http-rules.md`.

pub(in crate::proto) mod client_address;
pub(in crate::proto) mod coding;
pub(in crate::proto) mod connection;
pub(in crate::proto) mod expect;
pub(in crate::proto) mod fields;
pub(in crate::proto) mod framing;
pub(in crate::proto) mod method;
pub(in crate::proto) mod name;
pub(in crate::proto) mod reject;
pub(in crate::proto) mod request;
mod request_class;
pub(in crate::proto) mod response;
mod rule;
pub(in crate::proto) mod target;
pub(in crate::proto) mod trailers;
pub(in crate::proto) mod upgrade;
pub(in crate::proto) mod via;

pub use coding::Codings;
pub use fields::Field;
pub use framing::BodyFraming;
pub use method::Method;
pub use reject::Reject;
pub use request::{Ask, RequestHead, ResponseFormat};
pub use request_class::request_class;
pub use response::ResponseHead;
