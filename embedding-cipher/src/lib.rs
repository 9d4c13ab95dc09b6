//! Vectors, field values and scores for stores that must not see plaintext.
//!
//! - [`PreservingCipher`] turns an embedding into one that keeps nearly all distances under a secret
//!   orthogonal map and keyed noise. It is obfuscation, not confidentiality: whoever holds matching
//!   texts and a few known pairs undoes it (see the threat model).
//! - [`BlindIndex`] turns a field name or a typed field value into a keyed token, so that a store can
//!   answer equality filters on tokens.
//! - [`exact_score`] and [`rank()`] recompute scores on exact vectors, in the conventions of the stores.
//!
//! Everything here is pure: no I/O, clock or randomness. The same key and input give the same bytes on
//! every machine. The formats are in `docs/formats-vectors.md`, with golden files in `golden/`.

mod blind_index;
mod cipher;
mod hadamard;
mod keystream;
mod noise;
mod parameters;
mod rank;
mod rotation;
mod score;

pub use blind_index::{BlindIndex, CanonicalValue, Token};
pub use cipher::{CipherError, PreservingCipher, VectorCiphertext};
pub use parameters::{BadBeta, BadDimensions, Beta, Dimensions};
pub use rank::{Page, Scored, Threshold, rank};
pub use score::{Metric, Order, ScoreError, exact_score, norm, unit};
