//! Notices that the content of the configuration file has changed, on a thread of its own.
//!
//! The file is read again and again by its path, so that it makes no difference whether an editor writes or replaces it, whether a
//! symbolic link turns to another file (as for a ConfigMap of Kubernetes), and which file system it is on. A file that is replaced by
//! one with the same content has not changed.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The pause between two looks at the file. A change counts when two looks agree, which is after 1 s at most.
const PAUSE: Duration = Duration::from_millis(500);
/// The number of bytes that are compared; a configuration must not be longer.
const MOST_BYTES: u64 = 1 << 20;

/// The changes of a configuration file.
pub struct ConfigWatch {
    path: PathBuf,
    /// The content that was loaded last.
    loaded: Option<u64>,
    changes: Receiver<u64>,
}

impl ConfigWatch {
    /// Watches a file from now on. Its present content is taken for the one that is loaded.
    ///
    /// # Errors
    /// Returns the kernel's error if the thread cannot be started.
    pub fn start(path: &Path) -> io::Result<Self> {
        let loaded = content(path);
        let (sender, changes) = channel(1);
        let watched = path.to_owned();
        let thread = std::thread::Builder::new().name("watch".to_owned());
        thread.spawn(move || run(&watched, &sender, SettledContent::new(loaded)))?;
        Ok(Self { path: path.to_owned(), loaded, changes })
    }

    /// Waits until the file has another content than the one that was loaded last.
    pub(super) async fn changed(&mut self) {
        loop {
            match self.changes.recv().await {
                Some(content) if Some(content) == self.loaded => {} // a reload by a signal or command was first
                Some(_) => return,
                None => std::future::pending().await, // cannot happen: the thread lives as long as this receiver
            }
        }
    }

    /// Records that the file is being loaded.
    pub(super) fn note_loading(&mut self) {
        self.loaded = content(&self.path);
    }
}

/// Tells of changes until nobody listens.
fn run(path: &Path, changes: &Sender<u64>, mut settled: SettledContent) {
    while !changes.is_closed() {
        std::thread::sleep(PAUSE);
        if let Some(content) = settled.observe(content(path))
            && changes.blocking_send(content).is_err()
        {
            return;
        }
    }
}

/// Returns a hash of the file's content; `None` if the file cannot be read, as while it is replaced.
fn content(path: &Path) -> Option<u64> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Some(hasher.finish())
}

/// Decides from successive looks at a file when it has another content for good.
struct SettledContent {
    last: Option<u64>,
    told: Option<u64>,
}

impl SettledContent {
    const fn new(content: Option<u64>) -> Self {
        Self { last: content, told: content }
    }

    /// Returns the content that this look has found if the look before found the same, and it was not told before.
    fn observe(&mut self, now: Option<u64>) -> Option<u64> {
        let before = std::mem::replace(&mut self.last, now);
        let settled = now.filter(|_| now == before && now != self.told);
        self.told = settled.or(self.told);
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigWatch, SettledContent, channel};

    #[test]
    fn a_content_that_was_loaded_already_is_no_change() {
        let (sender, changes) = channel(2);
        let mut watch = ConfigWatch { path: "config.yaml".into(), loaded: Some(1), changes };
        [1, 2].into_iter().for_each(|content| sender.try_send(content).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(watch.changed());
        assert!(watch.changes.try_recv().is_err(), "the first one was passed over");
    }

    #[test]
    fn a_content_is_told_once_and_when_two_looks_agree() {
        let mut settled = SettledContent::new(Some(1));
        let mut told = |looks: &[Option<u64>]| -> Vec<u64> {
            looks.iter().filter_map(|look| settled.observe(*look)).collect()
        };
        assert_eq!(told(&[Some(1), Some(1)]), [0; 0], "it has not changed");
        assert_eq!(told(&[Some(2), Some(3), Some(4)]), [0; 0], "it is being written");
        assert_eq!(told(&[Some(4), Some(4), Some(4)]), [4]);
        assert_eq!(told(&[None, None, Some(4), Some(4)]), [0; 0], "it was away for a while");
        assert_eq!(told(&[Some(5), Some(4), Some(4)]), [0; 0], "it was taken back");
        assert_eq!(told(&[Some(1), Some(1)]), [1], "an earlier content is a change, too");
    }
}
