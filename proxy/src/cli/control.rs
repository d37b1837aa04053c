//! Implements the commands that ask a running proxy, over its control socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::lifecycle::ConfigSource;

use super::{print, print_error};

/// The time that a running proxy may take to answer. A reload waits for up to 10 s for each worker.
const PATIENCE: Duration = Duration::from_secs(60);

/// The way to the control socket of a running proxy.
#[derive(Args, Debug)]
pub(super) struct ControlArguments {
    /// The control socket of the running proxy, such as unix:/run/penstock/control.sock [default: `control` of the configuration].
    #[arg(long, value_name = "unix:PATH", value_parser = socket_path)]
    control: Option<PathBuf>,
    /// The configuration that names the control socket [default: `config.yaml` if it is there, else a built-in copy of it].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "The proxy needs a control socket: `control: unix:/run/penstock/control.sock` in its configuration. Only the user \
that it runs as (and root) can use the socket. The same reload is done by SIGHUP, which gives no answer.\n\n\
The new configuration is checked first. If anything in it cannot be had, nothing changes, and the answer says why.\n\n\
Exit code: 0 the new configuration is in use; 1 it was rejected, or the proxy could not be asked.\n\n\
Try it:\n  penstock reload --dry-run                                  how many sources would move?\n  \
penstock reload\n  penstock reload -c /etc/penstock.yaml\n  penstock reload --control unix:/run/penstock/control.sock\n\n\
docs/reload.md describes what a reload keeps and what it changes."
)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    control: ControlArguments,
    /// Check the configuration, and say what would follow; change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Returns the path of a Unix socket that is written as in the configuration.
fn socket_path(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| "expected unix:/path".to_owned())
}

pub(super) fn reload(arguments: &ReloadArguments) -> ExitCode {
    let target = if arguments.dry_run { "/reload/dry-run" } else { "/reload" };
    match arguments.control.ask("POST", target) {
        Ok(text) => print(&text),
        Err(why) => {
            print_error(why.trim_end());
            ExitCode::FAILURE
        }
    }
}

impl ControlArguments {
    /// Sends a request to the running proxy. Returns the content of the answer if that is a success, and else what went wrong.
    pub(super) fn ask(&self, method: &str, target: &str) -> Result<String, String> {
        let path = self.path()?;
        let shown = format!("unix:{}", path.display());
        let answer = exchange(&path, method, target).map_err(|error| {
            format!(
                "penstock: cannot ask the proxy at {shown}: {error}; does it run, and was it started with \
                 `control: {shown}`? `--control` names another socket"
            )
        })?;
        let (head, content) = answer.split_once("\r\n\r\n").unwrap_or_default();
        match head.split(' ').nth(1) {
            Some("200") => Ok(content.to_owned()),
            Some(_) if !content.is_empty() => Err(content.to_owned()),
            _ => Err(format!("penstock: the proxy at {shown} gave no answer")),
        }
    }

    fn path(&self) -> Result<PathBuf, String> {
        if let Some(path) = &self.control {
            return Ok(path.clone());
        }
        let source = ConfigSource::named_or_usual(self.config.as_deref());
        let loaded = source.load().map_err(|mistakes| {
            format!(
                "{mistakes}\npenstock: the proxy was not asked, because {source} does not say where its control socket is; mend \
                 the file, or name the socket with --control"
            )
        })?;
        let path = loaded.settings.control.as_deref().map(Path::to_path_buf);
        path.ok_or_else(|| {
            format!(
                "penstock: {source} has no control socket; add a line such as `control: unix:/run/penstock/control.sock` and \
                 restart the proxy, or reload it with SIGHUP"
            )
        })
    }
}

/// Sends a request without content, and returns the whole answer.
fn exchange(path: &Path, method: &str, target: &str) -> std::io::Result<String> {
    let mut socket = UnixStream::connect(path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: penstock\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
