//! What the tests with real programs stand on: how a program is found, started and ended, and where, and the proxy before it.

pub(crate) mod child;
pub(crate) mod place;
pub(crate) mod program;
pub(crate) mod proxy;
