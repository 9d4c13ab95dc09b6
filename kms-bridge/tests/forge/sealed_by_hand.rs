//! Plaintext cannot be dressed as sealed.
use kms_bridge::{Sealed, Value};

fn main() {
    let _ = Sealed::<Value> { bytes: b"plaintext".to_vec(), kind: std::marker::PhantomData };
}
