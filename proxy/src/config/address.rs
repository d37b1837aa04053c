//! Reads addresses, networks, affinity keys, names of backends, and tokens for `Via`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::scalar::{ScalarKind, unexpected};
use super::settings::{Address, Affinity};
use super::table::{NAME, is_name};

/// An IP address to listen on. Port 0 lets the kernel choose the port.
#[derive(Debug)]
pub(super) struct Bind;

impl ScalarKind for Bind {
    type Value = SocketAddr;
    const EXPECTED: &'static str = "an address such as `127.0.0.1:8080`";

    fn parse(text: &str) -> Result<SocketAddr, String> {
        bind::<Self>(text)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!("^({IP})$") })
    }
}

/// An IP address and port, as a regular expression.
const IP: &str = "([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[[0-9A-Fa-f:.%]+\\]):[0-9]+";

/// An address to listen on: an IP address with a port, or the path of a Unix socket.
#[derive(Debug)]
pub(super) struct ListenAt;

impl ScalarKind for ListenAt {
    type Value = Address;
    const EXPECTED: &'static str = "an address such as `127.0.0.1:8080` or `unix:/run/app.sock`";

    fn parse(text: &str) -> Result<Address, String> {
        unix(text).unwrap_or_else(|| bind::<Self>(text).map(Address::Ip))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!("^({IP}|{})$", unix_pattern()) })
    }
}

/// Returns `unix:` and the path of a Unix socket, as a regular expression.
fn unix_pattern() -> String {
    let most = Address::LONGEST_PATH - 2;
    format!("unix:/[^\\u0000]{{0,{most}}}[^/\\u0000]")
}

fn bind<K: ScalarKind>(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.strip_prefix(':').or_else(|| text.strip_prefix("*:")) {
        Some(port) if port.parse::<u16>().is_ok() => {
            format!("`{text}` has no IP address; write `0.0.0.0:{port}` for every interface")
        }
        _ => unexpected_address::<K>(text),
    })
}

/// The path of a Unix socket.
#[derive(Debug)]
pub(super) struct SocketPath;

impl ScalarKind for SocketPath {
    type Value = Arc<Path>;
    const EXPECTED: &'static str = "the path of a Unix socket such as `unix:/run/penstock/control.sock`";

    fn parse(text: &str) -> Result<Arc<Path>, String> {
        match unix(text).transpose()? {
            Some(Address::Unix(path)) => Ok(path),
            _ => Err(unexpected::<Self>(text)),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!("^{}$", unix_pattern()) })
    }
}

/// The address of a member: an IP address with a port, or the path of a Unix socket.
#[derive(Debug)]
pub(super) struct MemberAt;

impl ScalarKind for MemberAt {
    type Value = Address;
    const EXPECTED: &'static str = "an address such as `127.0.0.1:9001` or `unix:/run/app.sock`";

    fn parse(text: &str) -> Result<Address, String> {
        if let Some(address) = unix(text) {
            return address;
        }
        let address: SocketAddr = text.parse().map_err(|_| unexpected_address::<Self>(text))?;
        match address {
            _ if address.port() == 0 => Err(format!("`{text}`: no service can listen on port 0")),
            _ if address.ip().is_unspecified() => {
                Err(format!("`{text}` is not the address of one host; write the member's address"))
            }
            _ => Ok(Address::Ip(address)),
        }
    }

    fn schema() -> Value {
        ListenAt::schema()
    }
}

/// Returns the path of a Unix socket, or the reason why it is invalid; `None` if `text` does not begin with
/// `unix:`.
fn unix(text: &str) -> Option<Result<Address, String>> {
    let path = text.strip_prefix("unix:")?;
    Some(match path {
        _ if path.starts_with('@') => Err(format!(
            "`{text}`: abstract names are not supported; write a path, as in `unix:/run/app.sock`"
        )),
        _ if !path.starts_with('/') => {
            Err(format!("`{text}`: the path must be absolute, as in `unix:/run/app.sock`"))
        }
        _ if path.ends_with('/') => Err(format!("`{text}` names a folder; add the name of the socket")),
        _ if path.contains('\0') => Err(format!("`{text}`: a path cannot contain NUL")),
        _ if path.len() > Address::LONGEST_PATH => Err(format!(
            "a path of {} bytes; the kernel takes {} at most for a Unix socket",
            path.len(),
            Address::LONGEST_PATH
        )),
        _ => Ok(Address::Unix(Path::new(path).into())),
    })
}

fn unexpected_address<K: ScalarKind>(text: &str) -> String {
    let missing = match text.rsplit_once(':') {
        _ if text.starts_with("unix:") => "; a Unix socket cannot stand here",
        _ if text.starts_with('/') => "; the path of a Unix socket begins with `unix:`",
        _ if text.parse::<IpAddr>().is_ok() => "; the port is missing",
        Some((host, port))
            if port.parse::<u16>().is_ok() && host.contains(char::is_alphabetic) && !host.contains(':') =>
        {
            "; names are not looked up"
        }
        _ => "",
    };
    unexpected::<K>(text) + missing
}

/// An address of this machine without a port, from which links are opened.
#[derive(Debug)]
pub(super) struct OwnIp;

impl ScalarKind for OwnIp {
    type Value = IpAddr;
    const EXPECTED: &'static str = "an IP address such as `10.0.0.7`";

    fn parse(text: &str) -> Result<IpAddr, String> {
        let address = text.parse::<IpAddr>().map(|address| address.to_canonical());
        let address = address.map_err(|_| match text.parse::<SocketAddr>() {
            Ok(_) => unexpected::<Self>(text) + "; the kernel chooses the port",
            Err(_) => unexpected::<Self>(text),
        })?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(format!("`{text}` cannot be a source address; write an address of this machine"));
        }
        Ok(address)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!("^{HOST}$") })
    }
}

/// An IP address, as a regular expression.
const HOST: &str = "([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)";

/// A network in CIDR notation, or a single address.
#[derive(Debug)]
pub(super) struct Network;

impl ScalarKind for Network {
    type Value = IpNet;
    const EXPECTED: &'static str = "a network such as `10.0.0.0/8` or `::1`";

    fn parse(text: &str) -> Result<IpNet, String> {
        let one = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or_else(|_| one()).map_err(|_| unexpected::<Self>(text))?;
        // Bits behind the prefix mean that either the address or its length is a slip, so the user must say
        // which.
        if network != network.trunc() {
            let (all, one) = (network.trunc(), network.addr());
            return Err(format!(
                "`{text}` is an address in a network; write `{all}` for all of it or `{one}`"
            ));
        }
        Ok(network)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": format!("^{HOST}(/[0-9]+)?$") })
    }
}

/// An affinity key: `none`, or `source` with the number of leading address bits that decide.
#[derive(Debug)]
pub(super) struct AffinityKey;

impl ScalarKind for AffinityKey {
    type Value = Affinity;
    const EXPECTED: &'static str = "`source`, `source/24`, `source/56`, `source/24+56` or `none`";

    fn parse(text: &str) -> Result<Affinity, String> {
        let whole = (32, 128);
        let bits = match text.strip_prefix("source") {
            None if text == "none" => return Ok(Affinity::None),
            None => None,
            Some("") => Some(whole),
            Some(cut) => cut.strip_prefix('/').and_then(|cut| match cut.split_once('+') {
                Some((v4, v6)) => Some((prefix(v4, 32)?, prefix(v6, 128)?)),
                // A single number of at most 32 cuts IPv4 addresses only, a larger one IPv6 addresses only.
                None => prefix(cut, 128).map(|n| if n <= 32 { (n, 128) } else { (32, n) }),
            }),
        };
        bits.map(|(v4, v6)| Affinity::Source { v4, v6 }).ok_or_else(|| unexpected::<Self>(text))
    }

    fn schema() -> Value {
        let (v4, v6) = ("([1-9]|[12][0-9]|3[0-2])", "([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])");
        let pattern = format!("^(none|source(/({v4}\\+)?{v6})?)$");
        json!({ "type": "string", "pattern": pattern, "examples": ["source", "source/24", "source/56", "none"] })
    }
}

fn prefix(text: &str, most: u8) -> Option<u8> {
    // `parse` would also take `+24` and `024`, which the schema does not.
    let plain = text.starts_with(|c: char| matches!(c, '1'..='9'));
    text.parse().ok().filter(|bits| plain && (1..=most).contains(bits))
}

/// The name of a backend that the same file defines.
#[derive(Debug)]
pub(super) struct BackendRef;

impl ScalarKind for BackendRef {
    type Value = String;
    const EXPECTED: &'static str = "the name of a backend";

    fn parse(text: &str) -> Result<String, String> {
        if is_name(text) { Ok(text.to_owned()) } else { Err(unexpected::<Self>(text)) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": NAME })
    }
}

/// A token (RFC 9110 section 5.6.2).
#[derive(Debug)]
pub(super) struct Token;

impl ScalarKind for Token {
    type Value = String;
    const EXPECTED: &'static str = "letters, digits or any of !#$%&'*+-.^_`|~";

    fn parse(text: &str) -> Result<String, String> {
        if is_token(text) { Ok(text.to_owned()) } else { Err(unexpected::<Self>(text)) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" })
    }
}

pub(super) fn is_token(text: &str) -> bool {
    let tchar = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(tchar)
}
