//! The header of a sealed value.

use crate::names::{Epoch, KeyId};

/// Bytes of the header: magic 4, version 1, suite 1, flags 2, key id 16, epoch 4, salt 24.
pub const HEADER_LEN: usize = 52;

/// Bytes of the shortest sealed value, the one of the empty plaintext: header, commitment, tag.
pub(crate) const MIN_LEN: usize = HEADER_LEN + 32 + 16;

/// The first byte is a UTF-8 continuation byte, so that no sealed value is valid text or JSON and
/// no text is taken for one.
const MAGIC: [u8; 4] = *b"\x9eAIV";
const VERSION: u8 = 1;
const SUITE: u8 = 1;
const FLAGS: u16 = 0;

/// Why bytes are not a sealed value of a form known here. Nothing was decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes do not start as a sealed value does: it is something else.
    #[error("not a sealed value")]
    NotSealed,
    /// It starts as a sealed value does and ends too early.
    #[error("the sealed value is cut short")]
    Truncated,
    /// A format version that a newer release may know.
    #[error("sealed in unknown format version {0}")]
    UnknownVersion(u8),
    /// A cipher suite that a newer release may know.
    #[error("sealed with unknown suite {0}")]
    UnknownSuite(u8),
    /// Flags that a newer release may know.
    #[error("sealed with unknown flags {0:#06x}")]
    UnknownFlags(u16),
    /// Epochs count from 1.
    #[error("sealed in epoch 0")]
    ZeroEpoch,
}

/// What a sealed value says about itself. It is a claim until [`crate::open`] has checked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    key_id: KeyId,
    epoch: Epoch,
    salt: [u8; 24],
}

impl Header {
    pub(crate) const fn new(key_id: KeyId, epoch: Epoch, salt: [u8; 24]) -> Self {
        Self { key_id, epoch, salt }
    }

    /// Reads the header at the start of a whole sealed value.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are not a sealed value of version 1, suite 1 without flags.
    pub fn parse(sealed: &[u8]) -> Result<Self, FormatError> {
        let (magic, rest) = take::<4>(sealed).ok_or_else(|| {
            let beginning = !sealed.is_empty() && MAGIC.starts_with(sealed);
            if beginning { FormatError::Truncated } else { FormatError::NotSealed }
        })?;
        if magic != MAGIC {
            return Err(FormatError::NotSealed);
        }
        let ([version], rest) = take(rest).ok_or(FormatError::Truncated)?;
        if version != VERSION {
            return Err(FormatError::UnknownVersion(version));
        }
        let ([suite], rest) = take(rest).ok_or(FormatError::Truncated)?;
        if suite != SUITE {
            return Err(FormatError::UnknownSuite(suite));
        }
        let (flags, rest) = take(rest).ok_or(FormatError::Truncated)?;
        let flags = u16::from_be_bytes(flags);
        if flags != FLAGS {
            return Err(FormatError::UnknownFlags(flags));
        }
        if sealed.len() < MIN_LEN {
            return Err(FormatError::Truncated);
        }
        let (key_id, rest) = take(rest).ok_or(FormatError::Truncated)?;
        let (epoch, rest) = take(rest).ok_or(FormatError::Truncated)?;
        let (salt, _) = take(rest).ok_or(FormatError::Truncated)?;
        let epoch = Epoch::new(u32::from_be_bytes(epoch)).ok_or(FormatError::ZeroEpoch)?;
        Ok(Self { key_id: KeyId::from_bytes(key_id), epoch, salt })
    }

    /// The id of the data key that sealed the value.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The epoch of that data key.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The exact bytes that [`Header::parse`] accepts for this header.
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let flags = FLAGS.to_be_bytes();
        let key_id = self.key_id.to_bytes();
        let epoch = self.epoch.get().to_be_bytes();
        let parts: [&[u8]; 6] = [&MAGIC, &[VERSION, SUITE], &flags, &key_id, &epoch, &self.salt];
        let mut bytes = [0; HEADER_LEN];
        // INVARIANT: the parts are HEADER_LEN bytes together.
        bytes.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        bytes
    }
}

fn take<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded(header: &[u8]) -> Vec<u8> {
        let mut bytes = header.to_vec();
        bytes.resize(MIN_LEN, 0);
        bytes
    }

    proptest! {
        #[test]
        fn headers_survive_writing_and_reading(key: [u8; 16], epoch in 1..=u32::MAX, salt: [u8; 24]) {
            let header = Header::new(KeyId::from_bytes(key), Epoch::new(epoch).unwrap(), salt);
            prop_assert_eq!(Header::parse(&padded(&header.to_bytes())), Ok(header));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, skip in 0..9_usize) {
            let valid = Header::new(KeyId::from_bytes([7; 16]), Epoch::FIRST, [9; 24]).to_bytes();
            let near: Vec<u8> = valid[..skip].iter().copied().chain(bytes.iter().copied()).collect();
            for input in [bytes, near] {
                if let Ok(header) = Header::parse(&input) {
                    prop_assert_eq!(&header.to_bytes()[..], &input[..HEADER_LEN]);
                }
            }
        }
    }

    #[test]
    fn each_defect_has_its_own_error() {
        let good = padded(&Header::new(KeyId::from_bytes([7; 16]), Epoch::FIRST, [9; 24]).to_bytes());
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Header::parse(&bytes)
        };
        assert_eq!(with(0, b'{'), Err(FormatError::NotSealed));
        assert_eq!(with(4, 2), Err(FormatError::UnknownVersion(2)));
        assert_eq!(with(5, 9), Err(FormatError::UnknownSuite(9)));
        assert_eq!(with(6, 1), Err(FormatError::UnknownFlags(0x0100)));
        assert_eq!(with(7, 1), Err(FormatError::UnknownFlags(1)));
        assert_eq!(with(27, 0), Err(FormatError::ZeroEpoch));
        assert_eq!(Header::parse(b""), Err(FormatError::NotSealed));
        assert_eq!(Header::parse(b"hi"), Err(FormatError::NotSealed));
        for len in 1..MIN_LEN {
            assert_eq!(Header::parse(&good[..len]), Err(FormatError::Truncated), "{len} bytes");
        }
        assert!(Header::parse(&good).is_ok());
    }

    #[test]
    fn no_text_is_a_sealed_value() {
        assert!(core::str::from_utf8(&MAGIC).is_err());
    }
}
