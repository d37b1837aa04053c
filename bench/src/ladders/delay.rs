//! Adds a delay to the packets of loopback, in a network namespace of its own, where the kernel can.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// Half a round trip: each packet passes loopback once.
const DELAY: &str = "500us";
/// Tells the command that it runs in such a namespace.
const INSIDE: &str = "PENSTOCK_BENCH_DELAYED";

/// Returns whether packets are delayed already.
pub(super) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Runs this command again in a namespace with delayed packets, and does not return then. Returns why that cannot be.
pub(super) fn enter() -> Result<String, Failure> {
    let set_up = format!("ip link set lo up && tc qdisc add dev lo root netem delay {DELAY}");
    let tried = Command::new("unshare").args(["-n", "sh", "-c", &set_up]).stdin(Stdio::null()).output();
    let why = match tried {
        Ok(output) if output.status.success() => String::new(),
        Ok(output) => {
            String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("no reason given").to_owned()
        }
        Err(error) => format!("unshare: {error}"),
    };
    if !why.is_empty() {
        return Ok(why);
    }
    let own = env::current_exe().map_err(|error| Failure::Machine(error.to_string()))?;
    let mut again = Command::new("unshare");
    again
        .args(["-n", "sh", "-c", &format!("{set_up} && exec \"$@\""), "sh"])
        .arg(own)
        .args(env::args_os().skip(1));
    Err(Failure::Machine(format!("unshare: {}", again.env(INSIDE, "1").exec())))
}
