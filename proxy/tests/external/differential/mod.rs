//! Sends the same raw requests through penstock, nginx and HAProxy to a recording member, and compares what comes of them.
//!
//! Where penstock is more lenient than both, the row says why, or the test fails; `docs/http.md` shows it all.
//! `rows` has the requests; `proxies`, `origin`, `client` and `reader` send them; `cell` and `page` put the results into words.

mod cell;
mod client;
mod origin;
mod page;
mod proxies;
mod reader;
mod row;
mod rows;
mod survey;
mod verdicts;

use survey::surveys;

#[test]
fn penstock_does_what_the_rows_say() {
    let wrong = verdicts::other_than_said(&surveys().penstock);
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn penstock_is_nowhere_more_lenient_than_both_others_without_a_reason() {
    let all = surveys();
    let (Some(nginx), Some(haproxy)) = (&all.nginx, &all.haproxy) else { return };
    let strict = verdicts::strict_without_words(&all.penstock, nginx, haproxy);
    strict.iter().for_each(|row| println!("stricter than both:{row}"));
    let lenient = verdicts::too_lenient(&all.penstock, nginx, haproxy);
    assert!(lenient.is_empty(), "{} rows:\n{}", lenient.len(), lenient.join("\n"));
}

#[test]
fn a_reason_is_given_only_where_penstock_is_alone() {
    let all = surveys();
    let (Some(nginx), Some(haproxy)) = (&all.nginx, &all.haproxy) else { return };
    let idle = verdicts::idle_reasons(&all.penstock, nginx, haproxy);
    assert!(idle.is_empty(), "{} rows:\n{}", idle.len(), idle.join("\n"));
}

#[test]
fn the_page_shows_what_was_measured() {
    let (all, written) = (surveys(), page::written());
    if std::env::var_os("PENSTOCK_WRITE_DOCS").is_some() {
        std::fs::write(page::path(), page::page(&written, all)).unwrap();
    }
    let written = page::written();
    let said = page::versions_of(&written);
    let asked = [&all.nginx, &all.haproxy, &all.envoy].into_iter().flatten();
    if let Some(other) = asked.map(|survey| &survey.version).find(|version| !said.contains(version)) {
        println!("SKIPPED: docs/http.md speaks of {said:?}, and {other} is here");
        return;
    }
    let page = page::page(&written, all);
    let stale = page.lines().zip(written.lines()).find(|(a, b)| a != b);
    assert_eq!(stale, None, "docs/http.md is stale; its end says how to write it");
    assert_eq!(page, written);
}

#[test]
fn every_example_of_the_page_can_be_run() {
    let written = page::written();
    let examples: Vec<_> = page::examples(&written).collect();
    assert!(examples.len() > 5, "{examples:?}");
    for example in examples {
        let loaded = penstock::config::parse("docs/http.md", &example, &|_| None);
        loaded.unwrap_or_else(|mistakes| panic!("{mistakes}\n{example}"));
    }
}
