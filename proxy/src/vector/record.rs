//! The plaintext that is sealed for each point: exact vector and payload.

use vocab::Plain;

/// The version of the layout, its first byte.
const VERSION: u8 = 1;

/// A record, opened: version byte, number of dimensions (big-endian `u32`), the coordinates
/// (little-endian `f32`), then the payload as JSON text to the end.
pub(crate) struct Record {
    bytes: Plain<Vec<u8>>,
    vector_end: usize,
}

const HEAD: usize = 5;

/// Writes the layout.
pub(crate) fn encode(vector: &[f32], payload: &[u8]) -> Plain<Vec<u8>> {
    let mut bytes = Vec::with_capacity(HEAD + 4 * vector.len() + payload.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&u32::try_from(vector.len()).unwrap_or(u32::MAX).to_be_bytes());
    vector.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
    bytes.extend_from_slice(payload);
    Plain::new(bytes)
}

impl Record {
    /// Reads the layout; `None` when the bytes are not of it or have another number of dimensions.
    pub(crate) fn decode(bytes: Plain<Vec<u8>>, dimensions: u32) -> Option<Self> {
        let (head, rest) = bytes.expose().split_first_chunk::<HEAD>()?;
        let [version, count @ ..] = *head;
        if version != VERSION || u32::from_be_bytes(count) != dimensions {
            return None;
        }
        let vector = usize::try_from(dimensions).ok()?.checked_mul(4)?;
        if rest.len() < vector {
            return None;
        }
        Some(Self { vector_end: HEAD.checked_add(vector)?, bytes })
    }

    /// The exact vector.
    pub(crate) fn vector(&self) -> Plain<Vec<f32>> {
        let bytes = self.bytes.expose().get(HEAD..self.vector_end).unwrap_or_default();
        let (words, _) = bytes.as_chunks::<4>();
        Plain::new(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    /// The payload's JSON text.
    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.expose().get(self.vector_end..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_read_back(vector in proptest::collection::vec(any::<f32>(), 0..40), payload in ".*") {
            let bytes = encode(&vector, payload.as_bytes());
            let dimensions = u32::try_from(vector.len()).unwrap();
            prop_assert!(Record::decode(Plain::new(bytes.expose().clone()), dimensions + 1).is_none());
            let record = Record::decode(bytes, dimensions).unwrap();
            let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(record.vector().expose()), bits(&vector));
            prop_assert_eq!(record.payload(), payload.as_bytes());
        }

        #[test]
        fn any_bytes_are_a_record_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..64), dimensions in 0_u32..9) {
            if let Some(record) = Record::decode(Plain::new(bytes), dimensions) {
                prop_assert_eq!(record.vector().expose().len(), usize::try_from(dimensions).unwrap());
            }
        }
    }
}
