//! Ordering of exactly scored hits.

use crate::{Metric, Order};
use core::cmp::Ordering;

/// A hit and its exact score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored<T> {
    /// The exact score, in the metric's own scale.
    pub score: f32,
    /// What was found; ties are ordered by it.
    pub item: T,
}

/// The score beyond which a hit is dropped, as the client wrote it.
///
/// As in Qdrant a hit must be strictly nearer: larger for similarities, smaller for distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold(pub f32);

/// Which part of the ranking is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Page {
    /// How many of the nearest to skip.
    pub offset: usize,
    /// At most how many to give.
    pub limit: usize,
    /// Hits that are not nearer are dropped before the offset counts.
    pub threshold: Option<Threshold>,
}

/// Sorts hits nearest first, ties by item, and cuts out the page.
#[must_use]
pub fn rank<T: Ord>(metric: Metric, mut hits: Vec<Scored<T>>, page: Page) -> Vec<Scored<T>> {
    if let Some(Threshold(threshold)) = page.threshold {
        hits.retain(|hit| nearer(metric, hit.score, threshold) == Ordering::Less);
    }
    hits.sort_unstable_by(|a, b| nearer(metric, a.score, b.score).then_with(|| a.item.cmp(&b.item)));
    hits.into_iter().skip(page.offset).take(page.limit).collect()
}

/// `Less` when score `a` is nearer than `b`.
fn nearer(metric: Metric, a: f32, b: f32) -> Ordering {
    // Adding zero turns -0.0 into 0.0, so that both tie.
    let (a, b) = (a + 0.0, b + 0.0);
    match metric.order() {
        Order::LargerIsNearer => b.total_cmp(&a),
        Order::SmallerIsNearer => a.total_cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hits(scores: &[f32]) -> Vec<Scored<usize>> {
        scores.iter().enumerate().map(|(item, score)| Scored { score: *score, item }).collect()
    }

    fn items(metric: Metric, scores: &[f32], offset: usize, limit: usize, threshold: Option<f32>) -> Vec<usize> {
        let page = Page { offset, limit, threshold: threshold.map(Threshold) };
        rank(metric, hits(scores), page).into_iter().map(|hit| hit.item).collect()
    }

    #[test]
    fn order_threshold_and_ties() {
        let scores = [0.1, 0.9, 0.5, 0.9, -0.0, 0.0];
        assert_eq!(items(Metric::Cosine, &scores, 0, 9, None), [1, 3, 2, 0, 4, 5]);
        assert_eq!(items(Metric::Euclid, &scores, 0, 9, None), [4, 5, 0, 2, 1, 3]);
        assert_eq!(items(Metric::Cosine, &scores, 1, 2, None), [3, 2]);
        assert_eq!(items(Metric::Cosine, &scores, 0, 9, Some(0.5)), [1, 3], "a threshold is strict");
        assert_eq!(items(Metric::Euclid, &scores, 1, 9, Some(0.5)), [5, 0]);
        assert_eq!(items(Metric::Dot, &scores, 9, 9, None), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn pages_join_to_the_whole(scores in proptest::collection::vec(-1.0_f32..1.0, 0..40), cut in 0_usize..40) {
            let whole = items(Metric::Cosine, &scores, 0, usize::MAX, None);
            let mut joined = items(Metric::Cosine, &scores, 0, cut, None);
            joined.extend(items(Metric::Cosine, &scores, cut, usize::MAX, None));
            prop_assert_eq!(whole, joined);
        }
    }
}
