//! Chromium, headless: a page of the origin with a WebSocket, both through the proxy. The page's title is the result.

use crate::clients::driver::{Browser, CHROMEDRIVER, CHROMIUM};
use crate::clients::front::Front;
use crate::support::place::eventually;

#[test]
fn a_page_sends_a_hundred_messages_over_its_websocket() {
    let Some(front) = Front::before(&[CHROMIUM, CHROMEDRIVER]) else { return };
    let browser = Browser::start(front.directory());
    browser.visit(&front.url("/websocket.html"));
    eventually("the page has a result", || browser.title() != "running");
    let result = "100 messages echoed, 2298450 bytes";
    assert_eq!((browser.title(), browser.value("document.body.textContent")), (result.into(), result.into()));
    browser.quit();
    front.carried(2);
}

/// Fifty at once, on the six connections that a browser has for a host.
#[test]
fn a_page_fetches_and_posts() {
    let Some(front) = Front::before(&[CHROMIUM, CHROMEDRIVER]) else { return };
    let browser = Browser::start(front.directory());
    browser.visit(&front.url("/websocket.html"));
    let fetched = browser.value(
        "Promise.all(Array.from({ length: 50 }, async (_, n) => {
            const get = await (await fetch(`/echo?${n}`)).json();
            const post = await (await fetch('/echo', { method: 'POST', body: 'x'.repeat(n * 1000) })).text();
            return get.target === `/echo?${n}` && post === 'x'.repeat(n * 1000);
        })).then(all => all.filter(good => good).length)",
    );
    assert_eq!(fetched, 50);
    eventually("the page has a result", || browser.title() != "running");
    browser.quit();
    front.carried(2 + 100);
}
