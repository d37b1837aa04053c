//! A proxy in front of one member, with nothing written but what a test says: what is not written is the default.

use std::net::SocketAddr;

use crate::misbehaviour::protocol::Protocol;
use crate::support::stand::Proxy;

/// A proxy of this protocol in front of this member, with these lines of the backend's section.
///
/// `stand::Setup` would write `pipeline` where a test does not.
pub(crate) fn proxy(protocol: Protocol, backend: &[&str], member: SocketAddr) -> Proxy {
    let backend: String = backend.iter().map(|line| format!("    {line}\n")).collect();
    let protocol = protocol.name();
    Proxy::run(&format!(
        "workers: 2\nadmin: off\nlisteners:\n  web:\n    bind: 127.0.0.1:0\n    protocol: {protocol}\n    \
         backend: app\nbackends:\n  app:\n{backend}    members: {{ a: \"{member}\" }}\n"
    ))
}
