//! Keyed noise: a direction that only the key holder can predict, the same for the same input.

use crate::{CipherError, keystream, score::narrow};
use ring::hmac;
use vocab::Plain;

/// What the direction of noise depends on, beside the vector.
pub(crate) enum Subject<'a> {
    /// A stored record: its id.
    Record(&'a [u8]),
    /// A query, which has no id.
    Query,
}

/// Draws noise directions under one key.
pub(crate) struct Noise(hmac::Key);

impl Noise {
    pub(crate) fn new(key: &Plain<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// Adds noise of norm `norm` to `onto`; its direction is a function of key, subject and the bits
    /// of `vector`.
    pub(crate) fn add(
        &self,
        subject: &Subject<'_>,
        vector: &[f32],
        norm: f32,
        onto: &mut [f32],
    ) -> Result<(), CipherError> {
        let mut stream = Plain::new(vec![0_u8; 4 * onto.len()]);
        keystream::fill(self.seed(subject, vector, stream.expose_mut())?.expose(), stream.expose_mut())?;
        let (words, _) = stream.expose().as_chunks::<4>();
        let squares: i64 = words.iter().map(|word| i64::from(coordinate(*word)).pow(2)).sum();
        if squares == 0 {
            // All coordinates zero: possible with very few dimensions. The first axis stands in.
            if let Some(first) = onto.first_mut() {
                *first += norm;
            }
            return Ok(());
        }
        // Exact in f64: at most 65,536 squares of at most 510.
        let scale = narrow(f64::from(norm) / (squares_f64(squares)).sqrt());
        for (to, word) in onto.iter_mut().zip(words) {
            *to += scale * f32::from(coordinate(*word));
        }
        Ok(())
    }

    /// HMAC-SHA256 over kind, record id with its length, and the vector's bits (little-endian).
    fn seed(&self, subject: &Subject<'_>, vector: &[f32], room: &mut [u8]) -> Result<Plain<[u8; 32]>, CipherError> {
        let (kind, id): (u8, &[u8]) = match subject {
            Subject::Record(id) => (1, id),
            Subject::Query => (2, &[]),
        };
        let length = u64::try_from(id.len()).map_err(|_| CipherError::Keystream)?;
        for (bytes, x) in room.chunks_exact_mut(4).zip(vector) {
            bytes.copy_from_slice(&x.to_le_bytes());
        }
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(&[kind]);
        mac.update(&length.to_be_bytes());
        mac.update(id);
        mac.update(room);
        let tag = mac.sign();
        Ok(Plain::new(tag.as_ref().try_into().map_err(|_| CipherError::Keystream)?))
    }
}

/// Four keystream bytes give one coordinate: their sum, centred. It takes the values -510 to 510 and is
/// near enough to a normal variable that the direction favours no axis; integers keep it exact.
fn coordinate(word: [u8; 4]) -> i16 {
    word.iter().map(|byte| i16::from(*byte)).sum::<i16>() - 510
}

#[expect(clippy::cast_precision_loss, reason = "at most 65,536 * 510^2 < 2^53: exact")]
fn squares_f64(squares: i64) -> f64 {
    squares as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::norm as length;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_norm_is_exact(v in proptest::collection::vec(-1.0_f32..1.0, 1..600), id in any::<u64>(), beta in 0.0_f32..4.0) {
            let noise = Noise::new(&Plain::new([9; 32]));
            let mut onto = vec![0.0; v.len()];
            noise.add(&Subject::Record(&id.to_be_bytes()), &v, beta / 4.0, &mut onto).unwrap();
            prop_assert!((length(&onto) - f64::from(beta / 4.0)).abs() < 1e-6);
        }
    }

    #[test]
    fn directions_are_spread_evenly() {
        let noise = Noise::new(&Plain::new([1; 32]));
        let n = 32;
        let mut mean = vec![0.0_f32; n];
        for id in 0..4000_u32 {
            noise.add(&Subject::Record(&id.to_be_bytes()), &[1.0; 32], 1.0, &mut mean).unwrap();
        }
        // A sum of 4,000 independent unit directions has a norm near sqrt(4000) = 63.
        assert!((40.0..90.0).contains(&length(&mean)), "{}", length(&mean));
    }

    #[test]
    fn subject_and_vector_and_key_each_change_the_direction() {
        let drawn = |key: u8, subject: Subject<'_>, v: &[f32]| {
            let mut onto = vec![0.0; v.len()];
            Noise::new(&Plain::new([key; 32])).add(&subject, v, 1.0, &mut onto).unwrap();
            onto
        };
        let base = drawn(1, Subject::Record(b"a"), &[0.5; 64]);
        assert_eq!(base, drawn(1, Subject::Record(b"a"), &[0.5; 64]));
        for other in [
            drawn(2, Subject::Record(b"a"), &[0.5; 64]),
            drawn(1, Subject::Record(b"b"), &[0.5; 64]),
            drawn(1, Subject::Record(b""), &[0.5; 64]),
            drawn(1, Subject::Query, &[0.5; 64]),
            drawn(1, Subject::Record(b"a"), &[0.25; 64]),
        ] {
            let inner: f64 = crate::score::dot(&base, &other);
            assert!(inner.abs() < 0.6, "{inner}");
        }
    }
}
