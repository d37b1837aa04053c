//! Declares the pages of the admin server, each with its path, its description and its handler.
//!
//! The router and the index at `/` are built from this list.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};

use super::{Readiness, ReadyState};
use crate::metrics::Registry;

/// A page. The method router `get` of axum also answers HEAD, and 405 to all other methods.
pub(crate) struct Page {
    /// The path in the syntax of axum (`/thing/{id}`).
    pub path: &'static str,
    /// The description for the index.
    pub about: &'static str,
    /// The handler.
    pub route: MethodRouter,
}

/// Returns a router for all pages and an index at `/`; everything else is answered 404.
pub(super) fn router(registry: Registry, ready: ReadyState, more: Vec<Page>) -> Router {
    let mut pages = vec![metrics(registry), healthz(), readyz(ready)];
    pages.extend(more);
    let index = index(&pages);
    let root = get(async move || index.clone());
    pages.into_iter().fold(Router::new().route("/", root), |router, page| router.route(page.path, page.route))
}

fn metrics(registry: Registry) -> Page {
    let route = get(async move || ([(CONTENT_TYPE, Registry::content_type())], registry.render()));
    Page { path: "/metrics", about: "all metrics, in the text format of Prometheus", route }
}

fn healthz() -> Page {
    Page { path: "/healthz", about: "200 while the process lives", route: get(async || "ok\n") }
}

fn readyz(ready: ReadyState) -> Page {
    let route = get(async move || readiness(ready.get()));
    Page { path: "/readyz", about: "200 while new clients are welcome, else 503", route }
}

fn readiness(readiness: Readiness) -> impl IntoResponse {
    let status = match readiness {
        Readiness::Ready => StatusCode::OK,
        Readiness::Starting | Readiness::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{}\n", readiness.name()))
}

fn index(pages: &[Page]) -> String {
    let lines = pages.iter().map(|page| format!("{:<12} {}\n", page.path, page.about));
    std::iter::once("penstock admin\n\n".to_owned()).chain(lines).collect()
}
