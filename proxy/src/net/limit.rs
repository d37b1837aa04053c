//! The limit on descriptors.
//! In: nothing. Out: the soft limit raised to the hard one.
//! Knows nothing of who needs them.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process open as many descriptors as it is allowed to.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        crate::notice::err(&format!("penstock: the limit on descriptors stays as it is: {error}"));
    }
}
