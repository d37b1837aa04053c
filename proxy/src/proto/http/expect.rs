//! Reads the Expect field (RFC 9110 section 10.1.1).

use super::name::list;
use super::reject::Reject;

/// What the Expect lines of a head have said so far: a list (RFC 9110 section 10.1.1) of which we know one element.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(in crate::proto) enum Expect {
    #[default]
    Nothing,
    /// 100-continue, said as members know it; that line travels.
    AsItCame,
    /// 100-continue, in a list with empty elements, or more than once: all lines stay behind, and one is written. Many
    /// servers compare the whole value.
    Reworded,
}

const CONTINUE: &[u8] = b"100-continue";

impl Expect {
    pub(in crate::proto) fn and(self, value: &[u8]) -> Result<Self, Reject> {
        if !list(value).all(|element| element.eq_ignore_ascii_case(CONTINUE)) {
            return Err(Reject::unsupported(417, "unknown expectation"));
        }
        Ok(match self {
            said if list(value).next().is_none() => said,
            Self::Nothing if Self::travels(value) => Self::AsItCame,
            _ => Self::Reworded,
        })
    }

    /// Whether a line with this value may travel on as it is.
    pub(in crate::proto) fn travels(value: &[u8]) -> bool {
        value.eq_ignore_ascii_case(CONTINUE)
    }
}
