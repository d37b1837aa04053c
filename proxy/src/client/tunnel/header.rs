//! Writes the PROXY header that a member gets before the client's first byte.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::ProxyVersion;
use crate::frontend::ProxyInfo;
use crate::proto::proxy::{self, Addresses};

/// Returns the header for a client from `source` that came to the proxy's address `local`, where it has one. It passes on what
/// another proxy said of the client.
pub(super) fn of(
    version: ProxyVersion,
    source: SocketAddr,
    proxy_info: Option<&ProxyInfo>,
    local: Option<SocketAddr>,
) -> Vec<u8> {
    // Another proxy knows the address that the client itself connected to; `local` is only that proxy's way here.
    let destination = proxy_info.and_then(|proxy_info| proxy_info.destination).or(local);
    let addresses = destination.map(|destination| Addresses { source, destination });
    let mut header = Vec::new();
    if version == ProxyVersion::V1 {
        proxy::write_v1(addresses, &mut header);
        return header;
    }
    let unique_id = proxy_info.and_then(|proxy_info| proxy_info.unique_id.clone()).unwrap_or_else(new_id);
    let mut tlvs = vec![(proxy::UNIQUE_ID, &*unique_id)];
    tlvs.extend(
        proxy_info
            .and_then(|proxy_info| proxy_info.authority.as_deref())
            .map(|name| (proxy::AUTHORITY, name)),
    );
    proxy::write_v2(addresses, &tlvs, &mut header);
    header
}

/// Returns an id of 32 hexadecimal digits: 16 tell this process from others, and 16 count its clients.
fn new_id() -> Box<[u8]> {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| RandomState::new().hash_one(std::process::id()));
    format!("{process:016x}{:016x}", NEXT.fetch_add(1, Ordering::Relaxed)).into_bytes().into()
}
