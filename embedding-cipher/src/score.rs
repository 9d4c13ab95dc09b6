//! Exact scores on plaintext vectors, in Qdrant's conventions.

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Cosine of the angle; larger is nearer.
    Cosine,
    /// Inner product; larger is nearer.
    Dot,
    /// True (not squared) Euclidean distance; smaller is nearer.
    Euclid,
}

/// Which end of a metric's scale is near.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Similarities.
    LargerIsNearer,
    /// Distances.
    SmallerIsNearer,
}

impl Metric {
    /// Which scores are near.
    #[must_use]
    pub const fn order(self) -> Order {
        match self {
            Self::Cosine | Self::Dot => Order::LargerIsNearer,
            Self::Euclid => Order::SmallerIsNearer,
        }
    }
}

/// Why two vectors have no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// Client: the vectors differ in their number of coordinates.
    #[error("the vectors have different numbers of dimensions")]
    Dimensions,
    /// Client: the cosine with a zero vector.
    #[error("a zero vector has no direction")]
    Zero,
    /// Client: a coordinate, or the result, is not a finite number of 32 bits.
    #[error("the score is not a finite number")]
    NotFinite,
}

/// The exact score of `vector` for `query`, computed in 64 bits and rounded once.
///
/// # Errors
/// [`ScoreError`] when there is none.
pub fn exact_score(metric: Metric, query: &[f32], vector: &[f32]) -> Result<f32, ScoreError> {
    if query.len() != vector.len() {
        return Err(ScoreError::Dimensions);
    }
    let score = match metric {
        Metric::Dot => dot(query, vector),
        Metric::Euclid => lanes(query, vector, |a, b| (a - b) * (a - b)).sqrt(),
        Metric::Cosine => {
            let norms = (dot(query, query) * dot(vector, vector)).sqrt();
            if norms == 0.0 {
                return Err(ScoreError::Zero);
            }
            dot(query, vector) / norms
        }
    };
    let score = narrow(score);
    if score.is_finite() { Ok(score) } else { Err(ScoreError::NotFinite) }
}

/// The Euclidean norm, computed in 64 bits.
#[must_use]
pub fn norm(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt()
}

/// The vector divided by its norm, as a Cosine collection keeps it.
///
/// # Errors
/// [`ScoreError`] when a coordinate is not finite or the vector is zero.
pub fn unit(vector: &[f32]) -> Result<Vec<f32>, ScoreError> {
    let length = norm(vector);
    if !length.is_finite() {
        return Err(ScoreError::NotFinite);
    }
    if length == 0.0 {
        return Err(ScoreError::Zero);
    }
    let scale = 1.0 / length;
    Ok(vector.iter().map(|x| narrow(f64::from(*x) * scale)).collect())
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    lanes(a, b, |x, y| x * y)
}

/// Sums `term` over all coordinates in eight lanes, in an order that no machine changes.
fn lanes(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let (heads_a, tail_a) = a.as_chunks::<8>();
    let (heads_b, tail_b) = b.as_chunks::<8>();
    let mut sums = [0.0_f64; 8];
    for (x, y) in heads_a.iter().zip(heads_b) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += term(f64::from(*x), f64::from(*y));
        }
    }
    let tail: f64 = tail_a.iter().zip(tail_b).map(|(x, y)| term(f64::from(*x), f64::from(*y))).sum();
    sums.iter().sum::<f64>() + tail
}

/// The nearest 32-bit number.
#[expect(clippy::cast_possible_truncation, reason = "rounding to 32 bits is what is wanted")]
pub(crate) const fn narrow(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_qdrants_conventions() {
        let (q, v) = ([1.0, 0.0], [3.0, 4.0]);
        assert_eq!(exact_score(Metric::Cosine, &q, &v), Ok(0.6));
        assert_eq!(exact_score(Metric::Dot, &q, &v), Ok(3.0));
        let euclid = exact_score(Metric::Euclid, &q, &v).unwrap();
        assert!((euclid - 20.0_f32.sqrt()).abs() < 1e-6);
        assert_eq!(exact_score(Metric::Dot, &q, &[1.0]), Err(ScoreError::Dimensions));
        assert_eq!(exact_score(Metric::Cosine, &q, &[0.0, 0.0]), Err(ScoreError::Zero));
        assert_eq!(exact_score(Metric::Dot, &[f32::NAN, 0.0], &v), Err(ScoreError::NotFinite));
        assert_eq!(exact_score(Metric::Dot, &[f32::MAX, 0.0], &v), Err(ScoreError::NotFinite));
    }
}
