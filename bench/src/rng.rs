//! Generates random numbers that are the same for the same seed (splitmix64). They must not protect secrets.

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Makes a separate stream for each (seed, stream) pair.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to `n - 1`; 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next() % n }
    }

    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.below(u64::from(n)) == 0
    }

    pub(crate) fn pick(&mut self, sizes: &[usize]) -> usize {
        sizes.get(self.below(sizes.len() as u64) as usize).copied().unwrap_or(0)
    }

    /// Appends `n` random bytes, CR and LF among them.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, n: usize) {
        let end = out.len() + n;
        while out.len() < end {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_streams_differ() {
        let draw = |seed, stream| {
            let mut rng = Rng::new(seed, stream);
            [rng.next(), rng.next()]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn draws_cover_their_range_evenly() {
        let mut rng = Rng::new(7, 0);
        let mut seen = [0u32; 5];
        (0..10_000).for_each(|_| seen[rng.below(5) as usize] += 1);
        assert!(seen.iter().all(|n| (1800..2200).contains(n)), "{seen:?}");
    }
}
