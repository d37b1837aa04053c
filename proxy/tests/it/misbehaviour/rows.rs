//! One test for each protocol, setting and number of clients, so that they run side by side and fail by name.

use crate::misbehaviour::matrix::{Setting, run};
use crate::misbehaviour::protocol::Protocol;

macro_rules! tests {
    ($($name:ident: $protocol:ident, $setting:ident, $clients:literal;)*) => {
        $(
            #[test]
            fn $name() {
                run(Protocol::$protocol, Setting::$setting, $clients);
            }
        )*
    };
}

tests! {
    http_by_default_8_clients: Http, Auto, 8;
    http_by_default_500_clients: Http, Auto, 500;
    http_pipelined_8_clients: Http, Pipeline32, 8;
    http_pipelined_500_clients: Http, Pipeline32, 500;
    http_trusted_8_clients: Http, Trusted, 8;
    http_trusted_500_clients: Http, Trusted, 500;
    lines_by_default_8_clients: Lines, Auto, 8;
    lines_by_default_500_clients: Lines, Auto, 500;
    lines_pipelined_8_clients: Lines, Pipeline32, 8;
    lines_pipelined_500_clients: Lines, Pipeline32, 500;
    length_prefixed_by_default_8_clients: LengthPrefixed, Auto, 8;
    length_prefixed_by_default_500_clients: LengthPrefixed, Auto, 500;
    length_prefixed_pipelined_8_clients: LengthPrefixed, Pipeline32, 8;
    length_prefixed_pipelined_500_clients: LengthPrefixed, Pipeline32, 500;
    resp_by_default_8_clients: Resp, Auto, 8;
    resp_by_default_500_clients: Resp, Auto, 500;
    resp_pipelined_8_clients: Resp, Pipeline32, 8;
    resp_pipelined_500_clients: Resp, Pipeline32, 500;
}
