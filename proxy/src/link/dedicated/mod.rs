//! Provides links that one client has for itself: links of a TCP backend (`dedicated_pool`, `shared_cap`,
//! `permit_queue`), and links taken over from a pool (`upgraded_link`).

pub(super) mod dedicated_pool;
pub(super) mod permit_queue;
pub(super) mod shared_cap;
pub(super) mod upgraded_link;
