//! One seal is one proof.
use kms_bridge::{Sealed, Value};

fn twice(sealed: Sealed<Value>) -> (Sealed<Value>, Sealed<Value>) {
    (sealed.clone(), sealed)
}

fn main() {
    let _ = twice;
}
