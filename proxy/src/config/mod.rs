//! The configuration: what the user wrote, and what the program believes of it.

mod settings;

pub use settings::{
    Affinity, Backend, ClientTimeouts, Forwarded, HeadLimits, Links, Listener, Member, PipelineMethods,
    Protocol, Settings, SocketOptions, WaitQueue,
};
