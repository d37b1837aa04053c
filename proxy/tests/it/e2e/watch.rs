//! With `--watch` the configuration is reloaded when its file has another content, however that came about.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::binary::Binary;
use crate::support::scrape::Scrape;
use crate::support::stand::{Setup, directory, origin};
use crate::support::wire::{Wire, eventually};

fn reloads(proxy: &Binary) -> (i64, i64) {
    let page = Wire::connect(proxy.listener("metrics")).get("/metrics");
    let scrape = Scrape::new(page.text());
    let sum =
        |result: &str| scrape.sum_of("penstock_config_reloads_total", &[&format!("result=\"{result}\"")]);
    (sum("ok"), sum("rejected"))
}

/// Runs a proxy that watches the file at this path.
fn watching(path: &Path) -> Binary {
    let arguments = ["run", "--watch", "--config", path.to_str().unwrap()];
    let proxy = Binary::spawn(&arguments, path.parent().unwrap(), path.to_owned());
    eventually("it tells what to try", || proxy.out().iter().any(|line| line.starts_with("try")));
    proxy
}

/// A configuration that differs from others by its number.
fn text(number: usize, members: &[(String, std::net::SocketAddr)]) -> String {
    Setup::new().top("admin: 127.0.0.1:0").top(&format!("drain_timeout: {number}s")).text(members)
}

#[test]
fn a_file_that_is_written_or_replaced_is_reloaded_once() {
    let origin = origin(2);
    let path = directory("watch").join("config.yaml");
    fs::write(&path, text(1, &origin.addresses()[..1])).unwrap();
    let proxy = watching(&path);
    let mut client = Wire::connect(proxy.listener("web"));
    assert_eq!(client.get("/hello").member(), "a");

    fs::write(&path, text(1, &origin.addresses()[1..])).unwrap();
    eventually("it is reloaded", || reloads(&proxy) == (1, 0));
    assert_eq!(client.get("/hello").member(), "b");

    // As an editor saves it.
    let other = path.with_extension("new");
    fs::write(&other, text(2, &origin.addresses()[..1])).unwrap();
    fs::rename(&other, &path).unwrap();
    eventually("it is reloaded", || reloads(&proxy) == (2, 0));
    assert_eq!(client.get("/hello").member(), "a");

    fs::write(&path, "listeners: [").unwrap();
    eventually("it is rejected", || reloads(&proxy) == (2, 1));
    assert_eq!(client.get("/hello").status, 200);
    fs::remove_file(&path).unwrap();
    fs::write(&path, text(4, &origin.addresses()[1..])).unwrap();
    eventually("it is reloaded", || reloads(&proxy) == (3, 1));
    assert_eq!(client.get("/hello").member(), "b");
}

/// Kubernetes mounts a ConfigMap as links to a folder, which is itself a link that is replaced.
#[test]
fn a_link_that_turns_to_another_file_is_noticed() {
    let origin = origin(2);
    let folder = directory("mount");
    for (version, member) in [("v1", 0), ("v2", 1)] {
        fs::create_dir(folder.join(version)).unwrap();
        let text = text(1, &origin.addresses()[member..=member]);
        fs::write(folder.join(version).join("config.yaml"), text).unwrap();
    }
    symlink("v1", folder.join("..data")).unwrap();
    symlink("..data/config.yaml", folder.join("config.yaml")).unwrap();
    let proxy = watching(&folder.join("config.yaml"));
    let mut client = Wire::connect(proxy.listener("web"));
    assert_eq!(client.get("/hello").member(), "a");
    symlink("v2", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    eventually("it is reloaded", || reloads(&proxy) == (1, 0));
    assert_eq!(client.get("/hello").member(), "b");
}

#[test]
fn there_must_be_a_file_to_watch() {
    let within = directory("nothing");
    let mut proxy = Binary::spawn(&["run", "--watch"], &within, within.join("config.yaml"));
    assert_eq!(proxy.exit(), Some(1));
    assert!(proxy.err().contains("--watch needs a file"), "{}", proxy.err());
}
