//! What one link carries: the exchanges in flight and their answers (`queue`, `exchange`, `answer`, `reader`), and what answers tell of
//! their member (`manners`). All of it is pure.

pub(super) mod answer;
pub(super) mod exchange;
pub(super) mod manners;
pub(super) mod queue;
pub(super) mod reader;
