//! The origin that comes with penstock.
