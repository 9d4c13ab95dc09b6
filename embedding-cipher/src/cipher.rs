//! The distance-preserving cipher.

use crate::{
    Beta, Dimensions,
    keystream::Prk,
    noise::{Noise, Subject},
    rotation::Rotation,
    score::{narrow, norm},
};
use core::fmt;
use vocab::Plain;

/// Encrypts the vectors of one collection, statelessly and deterministically.
///
/// A vector is divided by its norm, rotated, disturbed by noise of norm `beta / 4`, and divided by its
/// norm again: every ciphertext has norm 1, so that norms tell the store nothing and a store that
/// normalises changes nothing. The noise of a record is a function of its id and vector, that of a
/// query of the query alone: encrypting twice gives the same ciphertext, so averaging gains nothing.
pub struct PreservingCipher {
    rotation: Rotation,
    noise: Noise,
    dimensions: Dimensions,
    beta: Beta,
}

/// A vector that may leave: only [`PreservingCipher`] makes it.
///
/// ```compile_fail
/// let forged = embedding_cipher::VectorCiphertext(Box::new([0.5_f32]));
/// ```
pub struct VectorCiphertext(Box<[f32]>);

/// Why a vector cannot be encrypted. No variant holds a coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Client: another number of coordinates than the collection's.
    #[error("the vector has {found} dimensions instead of {expected}")]
    Dimensions {
        /// What the collection has.
        expected: u32,
        /// What the vector has.
        found: usize,
    },
    /// Client: a coordinate is NaN or infinite.
    #[error("coordinate {at} of the vector is not a finite number")]
    NotFinite {
        /// Index of the first such coordinate.
        at: usize,
    },
    /// Client: all coordinates are zero, so that the vector has no direction.
    #[error("the vector is zero")]
    Zero,
    /// Internal: the keystream could not be made.
    #[error("the keystream could not be made")]
    Keystream,
}

impl PreservingCipher {
    /// Prepares the rotation and the noise key of one collection; costs some tens of microseconds, so
    /// keep it. Different keys, and different numbers of dimensions, give unrelated ciphers.
    ///
    /// # Errors
    /// [`CipherError::Keystream`], which is an internal fault.
    pub fn new(key: &Plain<[u8; 32]>, dimensions: Dimensions, beta: Beta) -> Result<Self, CipherError> {
        let prk = Prk::new(key);
        Ok(Self {
            rotation: Rotation::new(&prk, dimensions)?,
            noise: Noise::new(&prk.subkey(&[b"noise"])?),
            dimensions,
            beta,
        })
    }

    /// Encrypts the vector of a record; `record_id` is its id in a canonical byte form.
    ///
    /// # Errors
    /// [`CipherError`] when the vector is not finite, zero, or of another number of dimensions.
    pub fn encrypt_record(&self, record_id: &[u8], vector: &[f32]) -> Result<VectorCiphertext, CipherError> {
        self.encrypt(&Subject::Record(record_id), vector)
    }

    /// Encrypts a query vector.
    ///
    /// # Errors
    /// As [`PreservingCipher::encrypt_record`].
    pub fn encrypt_query(&self, vector: &[f32]) -> Result<VectorCiphertext, CipherError> {
        self.encrypt(&Subject::Query, vector)
    }

    /// The number of dimensions that vectors must have.
    #[must_use]
    pub const fn dimensions(&self) -> Dimensions {
        self.dimensions
    }

    fn encrypt(&self, subject: &Subject<'_>, vector: &[f32]) -> Result<VectorCiphertext, CipherError> {
        if vector.len() != self.dimensions.length() {
            return Err(CipherError::Dimensions { expected: self.dimensions.count(), found: vector.len() });
        }
        let mut work = Plain::new(direction(vector)?);
        let mut spare = Plain::new(vec![0.0; vector.len()]);
        self.rotation.apply(work.expose_mut(), spare.expose_mut());
        let noise_norm = self.beta.noise_norm();
        self.noise.add(subject, vector, noise_norm, work.expose_mut())?;
        let scale = norm(work.expose());
        if scale < 1e-3 {
            // Noise of norm 1 (beta 4) may in theory meet the rotated vector head on; the ciphertext is
            // then the noise's opposite, which is the rotated vector itself.
            self.rotation_only(vector, work.expose_mut(), spare.expose_mut())?;
            return Ok(VectorCiphertext(work.expose().as_slice().into()));
        }
        let scale = 1.0 / scale;
        Ok(VectorCiphertext(work.expose().iter().map(|x| narrow(f64::from(*x) * scale)).collect()))
    }

    fn rotation_only(&self, vector: &[f32], work: &mut Vec<f32>, spare: &mut Vec<f32>) -> Result<(), CipherError> {
        *work = direction(vector)?;
        self.rotation.apply(work, spare);
        Ok(())
    }
}

impl VectorCiphertext {
    /// The coordinates, as they are sent; their norm is 1.
    #[must_use]
    pub const fn as_slice(&self) -> &[f32] {
        &self.0
    }
}

impl fmt::Debug for VectorCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VectorCiphertext({} dimensions)", self.0.len())
    }
}

impl fmt::Debug for PreservingCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreservingCipher")
            .field("dimensions", &self.dimensions)
            .field("beta", &self.beta)
            .finish_non_exhaustive()
    }
}

/// The vector divided by its norm.
fn direction(vector: &[f32]) -> Result<Vec<f32>, CipherError> {
    if let Some(at) = vector.iter().position(|x| !x.is_finite()) {
        return Err(CipherError::NotFinite { at });
    }
    let length = norm(vector);
    if length == 0.0 {
        return Err(CipherError::Zero);
    }
    let scale = 1.0 / length;
    Ok(vector.iter().map(|x| narrow(f64::from(*x) * scale)).collect())
}
