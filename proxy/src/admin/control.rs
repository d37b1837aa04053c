//! Declares the pages of the control server: each command is a POST, which the main thread carries out.
//!
//! A command that changes something is never a GET. The socket is private to the user of the process, so that there is no token.

use axum::http::StatusCode;
use axum::routing::post;
use tokio::sync::{mpsc, oneshot};

use super::pages::Page;

/// A command to the main thread, with the sender of its answer.
pub(crate) enum ControlCommand {
    /// Loads the configuration again.
    Reload {
        /// Whether only to say what would follow.
        dry_run: bool,
        /// Receives the answer.
        answer: oneshot::Sender<ControlAnswer>,
    },
}

/// The text of the answer: what was done, or why nothing was done.
pub(crate) type ControlAnswer = Result<String, String>;

/// Returns the pages of all commands, which are sent to `commands`.
pub(crate) fn command_pages(commands: &mpsc::Sender<ControlCommand>) -> Vec<Page> {
    let reload = |dry_run: bool| {
        let commands = commands.clone();
        post(async move || ask(&commands, |answer| ControlCommand::Reload { dry_run, answer }).await)
    };
    vec![
        Page { path: "/reload", about: "POST: loads the configuration again", route: reload(false) },
        Page {
            path: "/reload/dry-run",
            about: "POST: says what a reload would do, and changes nothing",
            route: reload(true),
        },
    ]
}

/// Sends a command and returns its answer: 200, 422 with the reason why nothing was done, or 503 if commands are no longer taken.
async fn ask(
    commands: &mpsc::Sender<ControlCommand>,
    command: impl FnOnce(oneshot::Sender<ControlAnswer>) -> ControlCommand,
) -> (StatusCode, String) {
    let (answer, answered) = oneshot::channel();
    let (status, text) = match commands.send(command(answer)).await {
        Ok(()) => match answered.await {
            Ok(Ok(done)) => (StatusCode::OK, done),
            Ok(Err(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why),
            Err(_) => draining(),
        },
        Err(_) => draining(),
    };
    (status, text + "\n")
}

fn draining() -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, "penstock: this process is draining and takes no commands".to_owned())
}
