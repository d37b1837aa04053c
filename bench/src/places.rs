//! Divides the CPUs between the proxy and the others: its origin and the generator.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::failure::Failure;

/// The CPUs of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// The proxy's CPUs, one for each worker as far as there are enough.
    pub(crate) proxy: Vec<usize>,
    /// The CPUs of origin and generator, the same ones for every number of workers.
    pub(crate) load: Vec<usize>,
}

impl Places {
    /// Divides these CPUs: half of them, rounded up, belong to origin and generator. The proxy gets the first ones of the
    /// other half, and shares those of the load where it has more workers.
    pub(crate) fn divide(cpus: &[usize], workers: usize) -> Self {
        let free = cpus.len() / 2;
        let load = cpus[free..].to_vec();
        Self { proxy: cpus[..workers.clamp(1, cpus.len().max(1)).min(cpus.len())].to_vec(), load }
    }

    /// Returns whether a CPU belongs to both sides, so that they slow each other down.
    pub(crate) fn overlap(&self) -> bool {
        self.proxy.iter().any(|cpu| self.load.contains(cpu))
    }
}

/// Returns the CPUs that this process may use.
pub(crate) fn allowed() -> Result<Vec<usize>, Failure> {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(|error| failed(&error.to_string()))?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// Moves this thread, and all threads and processes that it starts from now on, to these CPUs.
pub(crate) fn pin(cpus: &[usize]) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu).map_err(|error| failed(&error.to_string()))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|error| failed(&error.to_string()))
}

fn failed(why: &str) -> Failure {
    Failure::Machine(format!("the CPUs cannot be divided: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_load_does_not_depend_on_the_workers() {
        let cpus: Vec<usize> = (0..8).collect();
        for workers in 1..=8 {
            let places = Places::divide(&cpus, workers);
            assert_eq!(places.load, [4, 5, 6, 7]);
            assert_eq!(places.proxy.len(), workers);
            assert_eq!(places.overlap(), workers > 4);
        }
    }

    #[test]
    fn on_two_cpus_a_second_worker_shares_the_one_of_the_load() {
        assert!(!Places::divide(&[0, 1], 1).overlap());
        assert!(Places::divide(&[0, 1], 2).overlap());
        assert!(Places::divide(&[3], 1).overlap());
        assert_eq!(Places::divide(&[0, 1], 5).proxy, [0, 1]);
    }
}
