//! Reads the request target, and the host that the request is for (RFC 9112 section 3.2, RFC 9110 section 7.2).

use std::net::Ipv6Addr;

use super::method::Method;
use crate::proto::text::digits;

/// A request target, by the form in which it travels on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proto) enum Target<'b> {
    /// The target is in origin-form, or `*` of OPTIONS, and travels on unchanged.
    AsIs,
    /// The target is in absolute-form. It travels on in origin-form, and its authority becomes Host (RFC 9112 section 3.2.2).
    Absolute {
        /// The host and the port.
        authority: &'b [u8],
        /// The origin-form; empty, or beginning with `?`, where a `/` is put before it.
        path: &'b [u8],
    },
    /// The target is in authority-form, which only CONNECT has (RFC 9112 section 3.2.3).
    Authority(&'b [u8]),
}

impl<'b> Target<'b> {
    pub(in crate::proto) fn read(method: Method, target: &'b [u8]) -> Result<Self, &'static str> {
        // RFC 9112 section 3.2: a target has no fragment, and two readers may end such a path in different places.
        if target.contains(&b'#') {
            return Err("fragment in the request target");
        }
        if method == Method::Connect {
            return Self::authority(target);
        }
        match target {
            [b'/', ..] => Ok(Self::AsIs),
            b"*" if method == Method::Options => Ok(Self::AsIs),
            _ => Self::absolute(method, target),
        }
    }

    /// Reads the target of CONNECT: a host and a port other than 0 (RFC 9110 section 9.3.6).
    fn authority(target: &'b [u8]) -> Result<Self, &'static str> {
        let (host, port) = split_port(target);
        if host.is_empty() || matches!(digits(port), None | Some(0)) || !is_host(target) {
            return Err("the target of CONNECT is not a host and a port");
        }
        Ok(Self::Authority(target))
    }

    fn absolute(method: Method, target: &'b [u8]) -> Result<Self, &'static str> {
        let scheme = target.get(..7).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(b"http://") {
            return Err("the request target is neither a path nor an http URI");
        }
        let rest = &target[7..];
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains(&b'@') {
            return Err("userinfo in the request target"); // RFC 9110 section 4.2.4
        }
        // RFC 9110 section 4.2.1: an http URI with an empty host is invalid.
        if matches!(authority, [] | [b':', ..]) || !is_host(authority) {
            return Err("the authority of the request target is not a host");
        }
        // RFC 9112 section 3.2.4: this is OPTIONS on a server as a whole, in absolute-form.
        let path = if path.is_empty() && method == Method::Options { b"*" } else { path };
        Ok(Self::Absolute { authority, path })
    }
}

/// Returns whether the value is `uri-host [ ":" port ]` (RFC 9110 section 7.2). The empty value is one (RFC 9112 section 3.2).
pub(in crate::proto) fn is_host(value: &[u8]) -> bool {
    let end = match value {
        [b'[', inside @ ..] => match inside.iter().position(|b| *b == b']') {
            Some(end) if is_ip_literal(&inside[..end]) => end + 2,
            _ => return false,
        },
        _ => value.iter().position(|b| *b == b':').unwrap_or(value.len()),
    };
    let (host, port) = value.split_at(end);
    let port_is_fine = match port {
        [] | [b':'] => true,
        [b':', port @ ..] => digits(port).is_some_and(|port| u16::try_from(port).is_ok()),
        _ => false,
    };
    port_is_fine && (host.starts_with(b"[") || is_reg_name(host))
}

/// Returns the host, and the port behind its colon; the port is empty where there is none.
pub(in crate::proto) fn split_port(authority: &[u8]) -> (&[u8], &[u8]) {
    match authority.iter().rposition(|b| matches!(b, b':' | b']')) {
        Some(at) if authority[at] == b':' => (&authority[..at], &authority[at + 1..]),
        _ => (authority, b""),
    }
}

/// Returns whether this is an IPv6 address without a zone, or an address of a future kind (RFC 3986 section 3.2.2).
fn is_ip_literal(inside: &[u8]) -> bool {
    if let [b'v' | b'V', future @ ..] = inside {
        let mut parts = future.splitn(2, |b| *b == b'.');
        let version = parts.next().unwrap_or_default();
        let address = parts.next().unwrap_or_default();
        let is_fine = |b: &u8| *b == b':' || is_reg_name_char(*b);
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(is_fine);
    }
    std::str::from_utf8(inside).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Returns whether this is a registered name. The common case comes first: most names have no `%`, and each request has one.
fn is_reg_name(host: &[u8]) -> bool {
    host.iter().all(|b| is_reg_name_char(*b)) || is_escaped_name(host)
}

#[cold]
fn is_escaped_name(host: &[u8]) -> bool {
    host.iter().enumerate().all(|(i, b)| match b {
        b'%' => host.get(i + 1..i + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)),
        _ => is_reg_name_char(*b),
    })
}

/// Returns whether the byte is unreserved or a sub-delim (RFC 3986 section 2).
const fn is_reg_name_char(b: u8) -> bool {
    REG_NAME_CHARS[b as usize]
}

const REG_NAME_CHARS: [bool; 256] = {
    let marks = b"-._~!$&'()*+,;=";
    let mut chars = [false; 256];
    let mut b = 0;
    while b < 256 {
        chars[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let mut i = 0;
    while i < marks.len() {
        chars[marks[i] as usize] = true;
        i += 1;
    }
    chars
};
