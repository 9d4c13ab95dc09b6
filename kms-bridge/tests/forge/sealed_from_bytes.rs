//! Plaintext cannot be turned into a sealed value.
use kms_bridge::{Sealed, Value};

fn main() {
    let _: Sealed<Value> = b"plaintext".to_vec().into();
    let _: Sealed<Value> = Sealed::default();
}
