//! The load generator that comes with penstock.
