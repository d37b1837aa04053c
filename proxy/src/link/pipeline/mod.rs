//! The load of one link: the exchanges in flight and their answers (`queue`, `exchange`, `reader`), where these go (`sink`),
//! and what they show of their member (`member_traits`). All of it is pure.

pub(super) mod answer;
pub(super) mod exchange;
pub(super) mod http_answer;
pub(super) mod link_end;
pub(super) mod member_traits;
pub(super) mod queue;
pub(super) mod reader;
pub(super) mod sink;
