//! Exact percentiles: all samples are kept, so nothing is binned.

use crate::error::BenchError;

/// Samples of one quantity in microseconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds one sample.
    pub(crate) fn push(&mut self, microseconds: f64) {
        self.0.push(microseconds);
    }

    /// Adds all samples of another set.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The nearest-rank percentile, `percent` in 0..=100.
    ///
    /// # Errors
    /// [`BenchError::NoSample`] of `what` when empty.
    pub(crate) fn percentile(&self, percent: u32, what: &'static str) -> Result<f64, BenchError> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * usize::try_from(percent).unwrap_or(100)).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().ok_or(BenchError::NoSample(what))
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

/// The middle of a few rounds.
pub(crate) fn median(values: &[f64], what: &'static str) -> Result<f64, BenchError> {
    values.iter().copied().collect::<Samples>().percentile(50, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let samples: Samples = (1..=100).rev().map(f64::from).collect();
        assert_eq!(samples.percentile(50, "x").unwrap(), 50.0);
        assert_eq!(samples.percentile(99, "x").unwrap(), 99.0);
        assert_eq!(samples.percentile(100, "x").unwrap(), 100.0);
        assert_eq!(samples.percentile(0, "x").unwrap(), 1.0);
        assert!(Samples::default().percentile(50, "x").is_err());
    }

    #[test]
    fn the_median_of_an_odd_number_is_its_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0], "x").unwrap(), 2.0);
    }
}
