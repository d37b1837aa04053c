//! Hashes the method and the first segments of the path of a request into the number by which service times are learned.

use super::method::Method;
use crate::proto::fnv::{BASIS, with};

/// The number of segments of a path that count. They tell the kind of thing that is asked for; further ones most often tell
/// which one. More segments learn finer classes, each from fewer requests.
const SEGMENTS: usize = 3;
/// The number of bytes up to which a segment can be the name of a kind. Longer ones are most often ids of single things.
const LONGEST: usize = 24;

/// Returns a hash of the method and the first three segments of the path, never 0. Segments that name one of many things
/// (digits only, or long) all count as the same: `/orders/17` and `/orders/18` are one class.
#[must_use]
pub fn request_class(method: Method, target: &str) -> u32 {
    let path = target.bytes().position(|b| b == b'?').map_or(target, |end| &target[..end]);
    let mut hash = with(BASIS, method as u8);
    for segment in path.as_bytes().split(|b| *b == b'/').skip(1).take(SEGMENTS) {
        let name: &[u8] = if is_one_of_many(segment) { b"*" } else { segment };
        hash = name.iter().fold(with(hash, b'/'), |hash, byte| with(hash, *byte));
    }
    // The class 0 stands for an unknown purpose.
    hash | 1
}

fn is_one_of_many(segment: &[u8]) -> bool {
    segment.len() > LONGEST || (!segment.is_empty() && segment.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segments_tell_routes_apart_and_names_of_things_do_not() {
        let get = |target| request_class(Method::Get, target);
        assert_ne!(get("/"), get("/report"));
        assert_ne!(get("/api/v1/users"), get("/api/v1/report"));
        assert_ne!(get("/users"), request_class(Method::Delete, "/users"));
        for (one, other) in [
            ("/orders/17", "/orders/18"),
            ("/users?page=1", "/users?page=2"),
            ("/api/v1/users/17/mail", "/api/v1/users/18/mail"),
            ("/item/550e8400-e29b-41d4-a716-446655440000", "/item/f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        ] {
            assert_eq!(get(one), get(other));
        }
    }

    #[test]
    fn it_is_never_nothing() {
        for target in ["*", "", "/", "//", "http://h/x"] {
            assert_ne!(request_class(Method::Options, target), 0);
        }
    }
}
