//! Links that one client has for itself: of a TCP backend (`outlet`, `stock`, `places`), or taken over from a pool (`passage`).

pub(super) mod outlet;
pub(super) mod passage;
pub(super) mod places;
pub(super) mod stock;
