//! The secret orthogonal map: three rounds of permute, sign and block Hadamard.
//!
//! A number of dimensions that is no power of two is cut into blocks by its binary digits, largest
//! first: 384 = 256 + 128, 100 = 64 + 32 + 4, 7 = 4 + 2 + 1. Each block gets a Hadamard matrix divided
//! by the square root of its size, so that every round is orthogonal for every number of dimensions
//! (up to rounding); the permutations carry coordinates from block to block.

use crate::{
    CipherError, Dimensions, hadamard,
    keystream::{self, Draws, Prk},
    score::narrow,
};
use vocab::Plain;

const ROUNDS: u8 = 3;

/// A rotation of vectors with a fixed number of dimensions.
pub(crate) struct Rotation {
    rounds: Vec<Round>,
    blocks: Vec<usize>,
}

struct Round {
    /// Output coordinate -> input coordinate.
    source: Plain<Vec<u16>>,
    /// Sign and scale of each output coordinate.
    factor: Plain<Vec<f32>>,
}

impl Rotation {
    pub(crate) fn new(prk: &Prk, dimensions: Dimensions) -> Result<Self, CipherError> {
        let blocks = blocks(dimensions);
        let rounds = (0..ROUNDS).map(|round| Round::new(prk, round, dimensions, &blocks)).collect::<Result<_, _>>()?;
        Ok(Self { rounds, blocks })
    }

    /// Rotates `vector`, with `spare` of the same length as working memory; the result is in `vector`.
    pub(crate) fn apply(&self, vector: &mut Vec<f32>, spare: &mut Vec<f32>) {
        for round in &self.rounds {
            let from = vector.as_slice();
            for ((to, source), factor) in spare.iter_mut().zip(round.source.expose()).zip(round.factor.expose()) {
                *to = from.get(usize::from(*source)).copied().unwrap_or_default() * factor;
            }
            let mut rest = spare.as_mut_slice();
            for size in &self.blocks {
                let (block, tail) = rest.split_at_mut(*size);
                hadamard::transform(block);
                rest = tail;
            }
            core::mem::swap(vector, spare);
        }
    }
}

impl Round {
    fn new(prk: &Prk, round: u8, dimensions: Dimensions, blocks: &[usize]) -> Result<Self, CipherError> {
        let n = dimensions.length();
        let key = prk.subkey(&[b"rotation", &[round], &dimensions.count().to_be_bytes()])?;
        // Signs, then the shuffle: one draw a step, and room for many more skips than ever happen.
        let mut stream = Plain::new(vec![0_u8; n.div_ceil(32) * 4 + 4 * (n + n / 8 + 64)]);
        keystream::fill(key.expose(), stream.expose_mut())?;
        let mut draws = Draws::new(stream.expose());

        let mut factor = Plain::new(Vec::with_capacity(n));
        let mut bits = 0;
        let sizes = blocks.iter().flat_map(|size| core::iter::repeat_n(*size, *size));
        for (i, size) in sizes.enumerate() {
            if i % 32 == 0 {
                bits = draws.next()?;
            }
            let scale = narrow(1.0 / f64::from(u32::try_from(size).unwrap_or(u32::MAX)).sqrt());
            factor.expose_mut().push(if bits & 1 == 0 { scale } else { -scale });
            bits >>= 1;
        }

        // Fisher-Yates, from the last place down.
        let mut source = Plain::new((0..=u16::MAX).take(n).collect::<Vec<u16>>());
        for place in (1..dimensions.count()).rev() {
            let other = draws.below(place + 1)?;
            let (Ok(place), Ok(other)) = (usize::try_from(place), usize::try_from(other)) else {
                return Err(CipherError::Keystream);
            };
            source.expose_mut().swap(place, other);
        }
        Ok(Self { source, factor })
    }
}

/// The block sizes: powers of two, largest first, that sum to the number of dimensions.
fn blocks(dimensions: Dimensions) -> Vec<usize> {
    let n = dimensions.length();
    (0..usize::BITS).rev().map(|bit| n & (1 << bit)).filter(|size| *size > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::dot;
    use proptest::prelude::*;

    fn rotation(seed: u8, n: usize) -> Rotation {
        Rotation::new(&Prk::new(&Plain::new([seed; 32])), Dimensions::new(n as u64).unwrap()).unwrap()
    }

    fn rotated(rotation: &Rotation, v: &[f32]) -> Vec<f32> {
        let (mut out, mut spare) = (v.to_vec(), vec![0.0; v.len()]);
        rotation.apply(&mut out, &mut spare);
        out
    }

    #[test]
    fn blocks_cover_every_number_of_dimensions() {
        for n in [1_u64, 2, 7, 100, 384, 768, 1536, 3072, 65_535, 65_536] {
            let blocks = blocks(Dimensions::new(n).unwrap());
            assert_eq!(blocks.iter().sum::<usize>() as u64, n);
            assert!(blocks.iter().all(|b| b.is_power_of_two()));
        }
    }

    #[test]
    fn it_mixes_a_unit_vector_over_all_coordinates() {
        let mut v = vec![0.0; 384];
        v[17] = 1.0;
        let out = rotated(&rotation(3, 384), &v);
        let largest = out.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        assert!(largest < 0.35, "energy stays concentrated: {largest}");
        assert!(out.iter().filter(|x| x.abs() > 1e-4).count() > 300);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn inner_products_are_kept(
            seed in any::<u8>(),
            n in prop_oneof![Just(1_usize), Just(2), Just(3), Just(7), Just(100), Just(384), Just(1536), 1_usize..700],
            words in proptest::collection::vec(-1.0_f32..1.0, 3072),
        ) {
            let map = rotation(seed, n);
            let a = crate::unit(&words[..n]);
            let b = crate::unit(&words[1536..1536 + n]);
            prop_assume!(a.is_ok() && b.is_ok());
            let (a, b) = (a.unwrap(), b.unwrap());
            let (x, y) = (rotated(&map, &a), rotated(&map, &b));
            prop_assert!((dot(&x, &x) - 1.0).abs() < 1e-5);
            prop_assert!((dot(&x, &y) - dot(&a, &b)).abs() < 1e-5);
        }
    }
}
