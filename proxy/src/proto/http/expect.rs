//! Reads the Expect field (RFC 9110 section 10.1.1).

use super::name::list;
use super::reject::Reject;

/// The expectation that the Expect lines of a head have named so far. The field is a list (RFC 9110 section 10.1.1), of which
/// the proxy knows one element.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(in crate::proto) enum Expect {
    #[default]
    Nothing,
    /// The client expects 100-continue, in the form that members know. That line travels on.
    AsItCame,
    /// The client expects 100-continue, in a list with empty elements or more than once. All lines stay behind, and the proxy
    /// writes one, because many servers compare the whole value.
    Reworded,
}

const CONTINUE: &[u8] = b"100-continue";

impl Expect {
    pub(in crate::proto) fn and(self, value: &[u8]) -> Result<Self, Reject> {
        // RFC 9110 section 10.1.1: an expectation that cannot be met may be answered with 417.
        if !list(value).all(|element| element.eq_ignore_ascii_case(CONTINUE)) {
            return Err(Reject::unsupported(417, "unknown expectation"));
        }
        Ok(match self {
            said if list(value).next().is_none() => said,
            Self::Nothing if Self::travels(value) => Self::AsItCame,
            _ => Self::Reworded,
        })
    }

    /// Returns whether a line with this value may travel on unchanged.
    pub(in crate::proto) fn travels(value: &[u8]) -> bool {
        value.eq_ignore_ascii_case(CONTINUE)
    }
}
