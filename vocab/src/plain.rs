//! The wrapper for values that must not leak.

use core::fmt;
use zeroize::Zeroize;

/// A value that no log, error or serialiser may see: key bytes, prompts, vectors, payloads.
///
/// It has no `Clone`, `Display` or `Serialize`; its `Debug` prints the type only; its memory is
/// overwritten when it is dropped. Reading it goes through [`Plain::expose`], which is greppable.
pub struct Plain<T: Zeroize>(T);

impl<T: Zeroize> Plain<T> {
    /// Takes ownership of a secret value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads the value. Every call site is a place where plaintext is handled.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Changes the value in place.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + Default> Plain<T> {
    /// Gives the value away unwrapped; from here on its holder is responsible for it.
    #[must_use]
    pub fn into_exposed(mut self) -> T {
        core::mem::take(&mut self.0)
    }
}

impl<T: Zeroize> Drop for Plain<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plain<{}>", core::any::type_name::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_type_and_never_the_value() {
        let secret = Plain::new(String::from("hunter2"));
        let shown = format!("{secret:?}");
        assert!(shown.contains("String") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn into_exposed_gives_the_whole_value() {
        assert_eq!(Plain::new(vec![1_u8, 2]).into_exposed(), vec![1, 2]);
    }
}
