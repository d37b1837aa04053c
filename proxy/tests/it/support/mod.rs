//! What the tests stand on: a proxy with an origin in front of or behind it, ends of connections, and members that obey.

pub(crate) mod binary;
pub(crate) mod headers;
pub(crate) mod held;
pub(crate) mod own_address;
pub(crate) mod recount;
pub(crate) mod scrape;
pub(crate) mod script;
pub(crate) mod splitmix;
pub(crate) mod stand;
pub(crate) mod wire;
