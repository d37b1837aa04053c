//! Tests what `proto::proxy` promises, on raw bytes.
//!
//! "Section" means one of HAProxy's `doc/proxy-protocol.txt`.

mod given;
mod haproxy;
mod properties;
mod tlvs;
mod v1;
mod v2;
mod writing;
