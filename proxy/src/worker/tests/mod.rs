//! Tests of a whole worker.

mod simulation;
