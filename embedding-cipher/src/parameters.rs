//! Checked parameters of a cipher.

/// The number of coordinates of a vector: 1 to 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimensions(u32);

/// Client: a number of dimensions that no store offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a vector has 1 to {max} dimensions", max = Dimensions::MAX)]
pub struct BadDimensions;

impl Dimensions {
    /// The largest number of dimensions.
    pub const MAX: u32 = 65_536;

    /// Checks a number of dimensions.
    ///
    /// # Errors
    /// [`BadDimensions`] when it is zero or above [`Dimensions::MAX`].
    pub fn new(count: u64) -> Result<Self, BadDimensions> {
        match u32::try_from(count) {
            Ok(n) if (1..=Self::MAX).contains(&n) => Ok(Self(n)),
            _ => Err(BadDimensions),
        }
    }

    /// The number as stored and shown.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0
    }

    /// The number as a length in memory.
    #[must_use]
    pub fn length(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// How strong the keyed noise of mode `preserving` is: a unit vector is disturbed by a vector of norm
/// `beta / 4`. 0 to 4; the default is 2.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Beta(f32);

/// Client: a noise parameter that is not a number or out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("beta is a number from 0 to 4")]
pub struct BadBeta;

impl Beta {
    /// Checks a noise parameter.
    ///
    /// # Errors
    /// [`BadBeta`] when it is not finite, negative or above 4.
    pub fn new(beta: f32) -> Result<Self, BadBeta> {
        if (0.0..=4.0).contains(&beta) { Ok(Self(beta)) } else { Err(BadBeta) }
    }

    /// The parameter.
    #[must_use]
    pub const fn value(self) -> f32 {
        self.0
    }

    /// The norm of the noise on a unit vector.
    #[must_use]
    pub fn noise_norm(self) -> f32 {
        self.0 / 4.0
    }
}

impl Default for Beta {
    fn default() -> Self {
        Self(2.0)
    }
}
