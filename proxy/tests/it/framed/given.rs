//! The protocols of the tests, as each side has to know them, and a client that speaks one.

use penstock_bench::{Plan, Protocol};
use penstock_origin::{Options, Origin, Prefix, Speaks};

use crate::support::stand::{Proxy, Setup, origin_with};
use crate::support::wire::Wire;

/// A language of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    Lf,
    Crlf,
    Counted(Prefix),
}

pub(crate) const COUNTED: Tongue = Tongue::Counted(prefix(4, false, false, 0));
pub(crate) const THREE: [Tongue; 3] = [Tongue::Lf, Tongue::Crlf, COUNTED];

pub(crate) const fn prefix(width: u8, little: bool, counts_header: bool, offset: u16) -> Prefix {
    Prefix { width, little, counts_header, offset }
}

impl Tongue {
    /// For the origin.
    pub(crate) fn speaks(self) -> Speaks {
        match self {
            Self::Lf => Speaks::Lines { crlf: false },
            Self::Crlf => Speaks::Lines { crlf: true },
            Self::Counted(prefix) => Speaks::LengthPrefixed(prefix),
        }
    }

    /// For the load generator.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Lf => Protocol::Lines { crlf: false },
            Self::Crlf => Protocol::Lines { crlf: true },
            Self::Counted(Prefix { width, little, counts_header, offset }) => {
                Protocol::LengthPrefixed(penstock_bench::Prefix {
                    length_bytes: width,
                    little_endian: little,
                    includes_header: counts_header,
                    offset,
                })
            }
        }
    }

    /// For the proxy, with these options of frames more.
    pub(crate) fn setup_with(self, more: &str) -> Setup {
        let (protocol, framing) = match self {
            Self::Lf => ("lines", "terminator: lf".to_owned()),
            Self::Crlf => ("lines", "terminator: crlf".to_owned()),
            Self::Counted(Prefix { width, little, counts_header, offset }) => {
                let order = if little { "little" } else { "big" };
                let text = format!(
                    "length_bytes: {width}, byte_order: {order}, length_offset: {offset}, \
                     length_includes_header: {counts_header}"
                );
                ("length_prefixed", text)
            }
        };
        let comma = if more.is_empty() { "" } else { ", " };
        let framing = format!("framing: {{ {framing}{comma}{more} }}");
        Setup::new().listener(&format!("protocol: {protocol}")).listener(&framing)
    }

    pub(crate) fn setup(self) -> Setup {
        self.setup_with("")
    }

    /// An origin of so many members.
    pub(crate) fn origin(self, members: usize) -> Origin {
        self.origin_with(members, Options::default())
    }

    pub(crate) fn origin_with(self, members: usize, options: Options) -> Origin {
        origin_with(members, Options { speaks: self.speaks(), ..options })
    }

    pub(crate) fn plan(self, proxy: &Proxy) -> Plan {
        Plan { protocol: self.protocol(), ..proxy.plan() }
    }

    pub(crate) fn client(self, proxy: &Proxy) -> Client {
        Client { wire: proxy.client(), tongue: self }
    }

    pub(crate) fn client_from(self, source: [u8; 4], proxy: &Proxy) -> Client {
        Client { wire: proxy.client_from(source), tongue: self }
    }

    /// A text as a frame; what is before the count is stars.
    pub(crate) fn frame(self, text: &str) -> Vec<u8> {
        match self {
            Self::Lf => format!("{text}\n").into_bytes(),
            Self::Crlf => format!("{text}\r\n").into_bytes(),
            Self::Counted(prefix) => {
                let header = usize::from(prefix.offset) + usize::from(prefix.width);
                let count = text.len() + if prefix.counts_header { header } else { 0 };
                [&vec![b'*'; prefix.offset.into()], &count_of(prefix, count as u64)[..], text.as_bytes()]
                    .concat()
            }
        }
    }

    pub(crate) fn frames(self, texts: &[&str]) -> Vec<u8> {
        texts.iter().flat_map(|text| self.frame(text)).collect()
    }
}

/// A count as it is written.
pub(crate) fn count_of(prefix: Prefix, count: u64) -> Vec<u8> {
    let width = usize::from(prefix.width);
    if prefix.little {
        count.to_le_bytes()[..width].to_vec()
    } else {
        count.to_be_bytes()[8 - width..].to_vec()
    }
}

/// A client that speaks a language of frames.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) tongue: Tongue,
}

impl Client {
    pub(crate) fn say(&mut self, text: &str) -> &mut Self {
        self.wire.send(self.tongue.frame(text));
        self
    }

    /// All of them in one write.
    pub(crate) fn say_all(&mut self, texts: &[&str]) -> &mut Self {
        self.wire.send(self.tongue.frames(texts));
        self
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, text: &str) -> String {
        self.say(text).answer()
    }

    /// The text of the next answer.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        let text = match self.tongue {
            Tongue::Lf => self.line(b"\n"),
            Tongue::Crlf => self.line(b"\r\n"),
            Tongue::Counted(prefix) => self.counted(prefix),
        };
        String::from_utf8(text).unwrap()
    }

    #[track_caller]
    fn line(&mut self, end: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        while !line.ends_with(end) {
            line.extend(self.wire.take(1));
        }
        line.truncate(line.len() - end.len());
        line
    }

    #[track_caller]
    fn counted(&mut self, prefix: Prefix) -> Vec<u8> {
        assert_eq!(self.wire.take(prefix.offset.into()), vec![b'*'; prefix.offset.into()]);
        let mut count = self.wire.take(prefix.width.into());
        if prefix.little {
            count.reverse();
        }
        let count = count.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let header = usize::from(prefix.offset) + usize::from(prefix.width);
        self.wire.take(count - if prefix.counts_header { header } else { 0 })
    }

    /// Closed in order or by reset, with nothing more on it.
    #[track_caller]
    pub(crate) fn is_over(&mut self) {
        let (rest, _) = self.wire.rest_and_reset();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// How many exchanges ended with any cause.
pub(crate) fn all_errors(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_request_errors_total")
}
