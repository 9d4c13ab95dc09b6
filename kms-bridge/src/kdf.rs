//! HKDF-SHA256 (RFC 5869) for the one and two output blocks that the formats need.
//!
//! Written over `ring`'s HMAC, because its HKDF can fail by type for lengths that are constant here
//! and keeps the extracted key in memory that is not wiped. A test holds both against each other.

use ring::hmac;
use vocab::Plain;

/// HKDF-Extract: a pseudorandom key from a secret; `salt` separates what it is for.
pub(crate) fn extract(salt: &[u8], secret: &[u8]) -> Plain<[u8; 32]> {
    Plain::new(block(&hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret)))
}

/// [`extract`] in place: no copy of the key is made that outlives the call.
#[inline(never)]
pub(crate) fn extract_into(out: &mut [u8; 32], salt: &[u8], secret: &[u8]) {
    out.copy_from_slice(extract(salt, secret).expose());
}

/// HKDF-Expand to 32 bytes.
#[inline(never)] // So that a caller can overwrite the frame: it holds the key.
pub(crate) fn expand(key: &[u8; 32], info: &[u8]) -> Plain<[u8; 32]> {
    Plain::new(first(&hmac::Key::new(hmac::HMAC_SHA256, key), info))
}

/// HKDF-Expand to 64 bytes, given in two halves.
#[inline(never)]
pub(crate) fn expand_pair(key: &[u8; 32], info: &[u8]) -> (Plain<[u8; 32]>, Plain<[u8; 32]>) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let one = Plain::new(first(&key, info));
    let mut mac = hmac::Context::with_key(&key);
    mac.update(one.expose());
    mac.update(info);
    mac.update(&[2]);
    (one, Plain::new(block(&mac.sign())))
}

fn first(key: &hmac::Key, info: &[u8]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(key);
    mac.update(info);
    mac.update(&[1]);
    block(&mac.sign())
}

fn block(tag: &hmac::Tag) -> [u8; 32] {
    let mut out = [0; 32];
    // INVARIANT: an HMAC-SHA256 tag has 32 bytes.
    out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::hkdf;

    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }

    proptest! {
        #[test]
        fn equals_the_hkdf_of_ring(salt: Vec<u8>, secret: Vec<u8>, info: Vec<u8>) {
            let prk = extract(&salt, &secret);
            let theirs = hkdf::Salt::new(hkdf::HKDF_SHA256, &salt).extract(&secret);
            let mut expected = [0; 64];
            theirs.expand(&[&info], Len(64)).unwrap().fill(&mut expected).unwrap();

            let (one, two) = expand_pair(prk.expose(), &info);
            prop_assert_eq!(&expected[..32], one.expose());
            prop_assert_eq!(&expected[32..], two.expose());
            let alone = expand(prk.expose(), &info);
            prop_assert_eq!(alone.expose(), one.expose());
        }
    }
}
