//! What one link carries: the exchanges in flight and their answers (`queue`, `exchange`, `http_answer`, `reader`), and what answers tell of
//! their member (`member_traits`). All of it is pure.

pub(super) mod exchange;
pub(super) mod http_answer;
pub(super) mod member_traits;
pub(super) mod queue;
pub(super) mod reader;
