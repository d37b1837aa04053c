//! Maps methods and targets to routes.

use crate::answer::Ready;
use crate::arithmetic::Operation;
use crate::service::Mixture;
use crate::upgrade::Offer;

/// The route of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Ready(Ready),
    /// This number of bytes of the pattern, with Content-Length.
    Bytes(u64),
    /// This number of bytes of the pattern, chunked.
    Chunked(u64),
    /// This number of bytes of the pattern, ended by the close.
    UntilClose(u64),
    /// The request's head as JSON.
    Echo,
    /// The request's body, while it arrives.
    Mirror,
    /// An answer after this number of milliseconds.
    Delay(u64),
    /// An answer after some milliseconds for a part of the requests, and at once for the others.
    Mixed(Mixture),
    Status(u16),
    Compute(Operation),
    Close,
    Stats,
    /// A switch to another protocol than HTTP.
    Switch(Offer),
    /// A page that tries the WebSocket.
    Page,
    /// A chunked answer with trailers.
    Trailers,
    /// The trailers of the request, as JSON.
    TrailersBack,
    /// An interim answer before the final one.
    Early,
    /// An answer in HTTP/1.0.
    Old,
    /// An answer without `Date`.
    Undated,
    /// The request's head as it came.
    Head,
    /// An imitation of NTLM, which ties a user to the connection.
    Login,
    Fault(Fault),
    /// An answer followed by surplus bytes.
    Surplus,
    /// An answer that closes the connection if it is its request number N.
    CloseAfter(u64),
    NotFound,
    NotAllowed(&'static str),
    /// An invalid argument in the path, with the reason.
    Senseless(&'static str),
}

/// Misbehaviour that begins after the request's head, whatever body may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is closed without an answer.
    Close,
    /// The answer promises 1000 bytes, and the connection closes after this number.
    Partial(u64),
    /// The connection is reset.
    Reset,
    /// Bytes that are not HTTP are sent, then the connection is closed.
    Garbage,
    /// No answer is ever sent.
    Never,
}

const GET: &str = "GET";
const READ: &str = "GET, HEAD";
const READ_AND_POST: &str = "GET, HEAD, POST";
const READ_AND_WRITE: &str = "GET, HEAD, POST, PUT";
const POST: &str = "POST";
const ANY: &str = "*";
const MIXED: &str = "expected a query such as slow=1/100&ms=200";

/// Finds the route. Only `/mixed` uses the query, and a target in absolute form counts by its path.
pub(crate) fn route(method: &str, target: &str) -> Route {
    // The target of CONNECT is an authority and no path (RFC 9112 section 3.2.3).
    if method == "CONNECT" {
        return Route::Switch(Offer::Tunnel);
    }
    let (path, query) = path(target);
    let (name, argument) = match path.split_once('/') {
        Some((name, argument)) => (name, Some(argument)),
        None => (path, None),
    };
    let (route, allowed) = match argument {
        None => plain(method, name, query),
        Some(argument) => with_argument(name, argument),
    };
    if allowed == ANY || allowed.split(", ").any(|allowed| allowed == method) {
        return route;
    }
    Route::NotAllowed(allowed)
}

/// Returns the path without its first slash, and the query.
fn path(target: &str) -> (&str, &str) {
    let target = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let target = target.split('#').next().unwrap_or(target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (path.strip_prefix('/').unwrap_or(path), query)
}

fn plain(method: &str, name: &str, query: &str) -> (Route, &'static str) {
    match name {
        "hello" => (Route::Ready(Ready::Hello), READ),
        "json" => (Route::Ready(Ready::Json), READ),
        "simple" => (Route::Ready(Ready::Simple), READ),
        "echo" if matches!(method, "POST" | "PUT") => (Route::Mirror, READ_AND_WRITE),
        "echo" => (Route::Echo, READ_AND_WRITE),
        "close" => (Route::Close, READ),
        "mixed" => (mixed(query).map_or(Route::Senseless(MIXED), Route::Mixed), READ),
        "stats" => (Route::Stats, READ),
        "websocket" => (Route::Switch(Offer::WebSocket), GET),
        "websocket.html" => (Route::Page, READ),
        "upgrade" => (Route::Switch(Offer::Any), ANY),
        "trailers" if method == "POST" => (Route::TrailersBack, READ_AND_POST),
        "trailers" => (Route::Trailers, READ_AND_POST),
        "early" => (Route::Early, READ),
        "old" => (Route::Old, READ),
        "nodate" => (Route::Undated, READ),
        "headers" => (Route::Head, ANY),
        "ntlm" => (Route::Login, ANY),
        "add" => (Route::Compute(Operation::Add), POST),
        "sub" => (Route::Compute(Operation::Subtract), POST),
        "mul" => (Route::Compute(Operation::Multiply), POST),
        "div" => (Route::Compute(Operation::Divide), POST),
        _ => (Route::NotFound, ANY),
    }
}

fn with_argument(name: &str, argument: &str) -> (Route, &'static str) {
    match name {
        "bytes" => (number(argument, Route::Bytes), READ),
        "chunked" => (number(argument, Route::Chunked), READ),
        "until-close" => (number(argument, Route::UntilClose), READ),
        "delay" => (number(argument, Route::Delay), READ),
        "status" => (status(argument), READ),
        "fault" => (fault(argument), ANY),
        _ => (Route::NotFound, ANY),
    }
}

/// Parses `slow=1/100&ms=200`, which is also the default.
fn mixed(query: &str) -> Option<Mixture> {
    let mut mixture = Mixture { slow: 1, of: 100, millis: 200 };
    for field in query.split('&').filter(|field| !field.is_empty()) {
        match field.split_once('=')? {
            ("slow", share) => {
                let (slow, of) = share.split_once('/')?;
                (mixture.slow, mixture.of) = (slow.parse().ok()?, of.parse().ok().filter(|of| *of > 0)?);
            }
            ("ms", millis) => mixture.millis = millis.parse().ok()?,
            _ => return None,
        }
    }
    Some(mixture)
}

fn number(argument: &str, route: fn(u64) -> Route) -> Route {
    argument.parse().map_or(Route::Senseless("expected a whole number in the path"), route)
}

fn status(argument: &str) -> Route {
    match argument.parse() {
        Ok(status @ 200..=599) => Route::Status(status),
        _ => Route::Senseless("expected a status from 200 to 599"),
    }
}

fn fault(argument: &str) -> Route {
    match argument.split_once('/') {
        None => match argument {
            "close" => Route::Fault(Fault::Close),
            "reset" => Route::Fault(Fault::Reset),
            "garbage" => Route::Fault(Fault::Garbage),
            "never" => Route::Fault(Fault::Never),
            "surplus" => Route::Surplus,
            _ => Route::NotFound,
        },
        Some(("partial", count)) => number(count, |count| Route::Fault(Fault::Partial(count))),
        Some(("close-after", count)) => number(count, Route::CloseAfter),
        Some(_) => Route::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_in_every_form() {
        let cases = [
            ("/hello", Route::Ready(Ready::Hello)),
            ("/hello?a=/b://c", Route::Ready(Ready::Hello)),
            ("http://host:1/hello", Route::Ready(Ready::Hello)),
            ("http://host", Route::NotFound),
            ("/hello/", Route::NotFound),
            ("*", Route::NotFound),
            ("/", Route::NotFound),
            ("/bytes", Route::NotFound),
            ("/bytes/7", Route::Bytes(7)),
            ("/status/204", Route::Status(204)),
            ("/fault/partial/9", Route::Fault(Fault::Partial(9))),
            ("/fault/close-after/2", Route::CloseAfter(2)),
            ("/fault/none", Route::NotFound),
        ];
        for (target, expected) in cases {
            assert_eq!(route("GET", target), expected, "{target}");
        }
        for target in ["/bytes/-1", "/bytes/x", "/status/199", "/status/600", "/delay/1.5"] {
            assert!(matches!(route("GET", target), Route::Senseless(_)), "{target}");
        }
    }

    #[test]
    fn a_mixture_is_in_the_query() {
        let mixed = |slow, of, millis| Route::Mixed(Mixture { slow, of, millis });
        assert_eq!(route("GET", "/mixed"), mixed(1, 100, 200));
        assert_eq!(route("GET", "/mixed?slow=3/7&ms=5#x"), mixed(3, 7, 5));
        assert_eq!(route("GET", "http://h/mixed?ms=0"), mixed(1, 100, 0));
        for query in ["slow", "slow=1", "slow=1/0", "slow=-1/2", "ms=", "fast=1", "a"] {
            assert_eq!(route("GET", &format!("/mixed?{query}")), Route::Senseless(MIXED), "{query}");
        }
    }

    #[test]
    fn methods_are_held_to_the_route() {
        assert_eq!(route("HEAD", "/json"), Route::Ready(Ready::Json));
        assert_eq!(route("POST", "/json"), Route::NotAllowed(READ));
        assert_eq!(route("GET", "/add"), Route::NotAllowed(POST));
        assert_eq!(route("PUT", "/echo"), Route::Mirror);
        assert_eq!(route("DELETE", "/echo"), Route::NotAllowed(READ_AND_WRITE));
        assert_eq!(route("POST", "/trailers"), Route::TrailersBack);
        assert_eq!(route("PUT", "/trailers"), Route::NotAllowed(READ_AND_POST));
        assert_eq!(route("CONNECT", "hello:80"), Route::Switch(Offer::Tunnel));
        assert_eq!(route("POST", "/nowhere"), Route::NotFound);
        assert_eq!(route("PATCH", "/fault/reset"), Route::Fault(Fault::Reset));
    }
}
