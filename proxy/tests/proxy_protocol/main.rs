//! What `proto::proxy` promises, as sentences on raw bytes.
//! In: PROXY headers as others send them; addresses and TLVs. Out: verdicts; headers as we send them.
//! Knows nothing of sockets. "Section" means one of HAProxy's `doc/proxy-protocol.txt`.

#![allow(clippy::unwrap_used, reason = "all of this is tests, helpers included")]

mod given;
mod haproxy;
mod properties;
mod tlvs;
mod v1;
mod v2;
mod writing;
