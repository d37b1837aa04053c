//! Members on Unix sockets serve as those on addresses do, and look after their paths.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::path::Path;

use penstock_origin::{Address, Options, Origin};

use crate::wire::{Wire, eventually, fresh_path, request};

fn start(path: &Path) -> std::io::Result<Origin> {
    Origin::start(Options { unix: vec![("u".to_owned(), path.to_owned())], ..Options::default() })
}

#[test]
fn http_is_served_as_on_an_address() {
    for legacy in [None, Some(8)] {
        let (path, other) = (fresh_path(), fresh_path());
        let unix = vec![("u".to_owned(), path.clone()), ("v".to_owned(), other)];
        let origin = Origin::start(Options { unix, legacy, threads: 2, ..Options::default() }).unwrap();
        assert!(origin.addresses().is_empty());
        for ((member, path), _) in origin.paths().iter().zip(0..2) {
            let mut wire = Wire::unix(path);
            assert_eq!(wire.get("/hello").field("x-member"), Some(member.as_str()));
            assert_eq!(wire.get("/bytes/3000000").body.len(), 3_000_000);
            assert!(wire.get("/echo").json()["source"].is_null());
            assert_eq!(wire.send(request("GET", "/close")).answer().text(), "closing\n");
            assert_eq!(wire.rest(), b"");
            assert_eq!(Wire::unix(path).send(request("GET", "/fault/reset")).rest(), b"");
        }
        let member = &origin.stats().listeners[0];
        assert_eq!((member.member.as_str(), &member.address), ("u", &Address::Unix(path)));
        assert_eq!((member.requests, member.accepted), (4, 2));
    }
}

#[test]
fn legacy_holds_its_limit_and_stops() {
    let unix = vec![("u".to_owned(), fresh_path())];
    let origin = Origin::start(Options { unix, legacy: Some(1), ..Options::default() }).unwrap();
    let path = origin.paths()[0].1.clone();
    let mut served = Wire::unix(&path);
    assert_eq!(served.get("/hello").status, 200);
    assert_eq!(Wire::unix(&path).rest(), b"");
    eventually("one is refused", || origin.stats().total().refused == 1);
    origin.stop();
    assert_eq!(served.rest(), b"");
}

#[test]
fn the_path_is_removed_at_the_end() {
    let path = fresh_path();
    let origin = start(&path).unwrap();
    assert!(path.exists());
    origin.stop();
    assert!(!path.exists());
    // What somebody else has put there meanwhile stays.
    let origin = start(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    origin.stop();
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
    let path = fresh_path();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "this is what a killed process leaves behind");
    let origin = start(&path).unwrap();
    let error = start(&path).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with("u on unix:"), "{error}");
    assert_eq!(Wire::unix(&path).get("/hello").status, 200);
    drop(origin);
}

#[test]
fn what_is_no_socket_stays_as_it_is() {
    let path = fresh_path();
    fs::write(&path, "precious").unwrap();
    assert_eq!(start(&path).err().unwrap().kind(), ErrorKind::AddrInUse);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    assert!(start(Path::new("/nowhere/at/all.sock")).is_err());
    assert!(start(&Path::new("/tmp").join("x".repeat(200))).is_err());
}

#[test]
fn what_was_bound_is_let_go_when_another_cannot_be() {
    let path = fresh_path();
    let unix = vec![("u".to_owned(), path.clone()), ("v".to_owned(), "/nowhere/at/all.sock".into())];
    assert!(Origin::start(Options { unix, ..Options::default() }).is_err());
    assert!(!path.exists());
}
