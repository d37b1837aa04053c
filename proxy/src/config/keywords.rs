//! Maps the keywords of options that take one of a few words to their values.

use super::list::Short;
use super::scalar::{Keyword, Keywords};
use super::settings::{
    AcceptProxy, AdminState, AllDown, Forwarded, OnDown, PipelineMethods, Protocol, ProxyVersion, Underscores,
};

impl Keywords for Protocol {
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Http.word(), Self::Http),
        (Self::Tcp.word(), Self::Tcp),
        (Self::Lines.word(), Self::Lines),
        (Self::LengthPrefixed.word(), Self::LengthPrefixed),
        (Self::Resp.word(), Self::Resp),
    ];
}

impl Keywords for AcceptProxy {
    const WORDS: &'static [(&'static str, Self)] = &[("off", Self::Off), ("required", Self::Required)];
}

impl Keywords for ProxyVersion {
    const WORDS: &'static [(&'static str, Self)] = &[("v1", Self::V1), ("v2", Self::V2)];
}

impl Keywords for Forwarded {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("x_forwarded", Self::XForwarded),
        ("forwarded", Self::Rfc7239),
        ("both", Self::Both),
        ("remove", Self::Remove),
        ("off", Self::Off),
    ];
}

impl Keywords for AdminState {
    const WORDS: &'static [(&'static str, Self)] =
        &[("ready", Self::Ready), ("drain", Self::Drain), ("maintenance", Self::Maintenance)];
}

impl Keywords for AllDown {
    const WORDS: &'static [(&'static str, Self)] = &[("try", Self::Try), ("refuse", Self::Refuse)];
}

impl Keywords for OnDown {
    const WORDS: &'static [(&'static str, Self)] = &[("keep", Self::Keep), ("close", Self::Close)];
}

impl Keywords for PipelineMethods {
    const WORDS: &'static [(&'static str, Self)] = &[("safe", Self::Safe), ("all", Self::All)];
}

impl Keywords for Underscores {
    const WORDS: &'static [(&'static str, Self)] =
        &[("pass", Self::Pass), ("drop", Self::Drop), ("reject", Self::Reject)];
}

/// Networks that may be trusted, as one word.
#[derive(Debug)]
pub(super) struct Trusted;

impl Short for Trusted {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("none", &[]), ("any", &["0.0.0.0/0", "::/0"])];
}

/// The word `auto`, which leaves the choice to the kernel.
#[derive(Debug)]
pub(super) struct Automatic;

impl Short for Automatic {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[("auto", &[])];
}

/// Protocols that a connection may be upgraded to, as one word.
#[derive(Debug)]
pub(super) struct Offered;

impl Short for Offered {
    const WORDS: &'static [(&'static str, &'static [&'static str])] =
        &[("off", &[]), (Any::WORD, &[Any::WORD])];
}

/// The word `any`, which accepts every value.
#[derive(Debug)]
pub(super) struct Any;

impl Keyword for Any {
    const WORD: &'static str = "any";
}

impl Short for Any {
    const WORDS: &'static [(&'static str, &'static [&'static str])] = &[(Self::WORD, &[])];
}
