//! How vectors and payloads are protected.

use std::fmt;

/// How vectors and payloads are protected before they leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encrypt {
    /// The mode.
    pub mode: Mode,
    /// The amount of noise; it matters in mode [`Mode::Preserving`] only.
    pub beta: Beta,
}

impl Encrypt {
    pub(crate) fn stronger(self, other: Self) -> Self {
        let mode = self.mode.max(other.mode);
        let larger = if other.beta.0 > self.beta.0 { other.beta } else { self.beta };
        // A beta that came with a mode that lost says nothing about the mode that won.
        let beta = match (self.mode == mode, other.mode == mode) {
            (true, true) => larger,
            (true, false) => self.beta,
            (false, _) => other.beta,
        };
        Self { mode, beta }
    }
}

/// The modes of protection, weakest first. `docs/threat-model.md` says what each leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// `plain`: nothing is encrypted.
    Plain,
    /// `preserving`: payloads are sealed and vectors are obfuscated so that the store can still compare
    /// them. It is not confidentiality for vectors.
    Preserving,
    /// `sealed`: the store gets nothing but ciphertext.
    Sealed,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Preserving, Self::Sealed];

    /// The mode as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Preserving => "preserving",
            Self::Sealed => "sealed",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The noise parameter of mode `preserving`: noise of norm beta/4 is added to unit vectors. More than 0 and
/// at most 4 (noise as long as the vector itself). The default is 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beta(f64);

/// The number is no beta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("beta is more than 0 and at most 4")]
pub struct BadBeta;

impl Beta {
    /// Checks the number and wraps it.
    ///
    /// # Errors
    /// [`BadBeta`] when it is not more than 0 and at most 4.
    pub fn new(value: f64) -> Result<Self, BadBeta> {
        if value > 0.0 && value <= 4.0 { Ok(Self(value)) } else { Err(BadBeta) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Beta {
    fn default() -> Self {
        Self(2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beta_of_a_mode_that_lost_is_dropped() {
        let big = Encrypt { mode: Mode::Plain, beta: Beta::new(4.0).unwrap() };
        let own = Encrypt { mode: Mode::Preserving, beta: Beta::new(1.5).unwrap() };
        assert_eq!(big.stronger(own), own);
        assert_eq!(own.stronger(big), own);
        let more = Encrypt { mode: Mode::Preserving, beta: Beta::new(3.0).unwrap() };
        assert_eq!(own.stronger(more), more);
        assert!(Beta::new(f64::NAN).is_err() && Beta::new(0.0).is_err() && Beta::new(4.1).is_err());
    }
}
