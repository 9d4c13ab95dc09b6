//! A data key comes from the bridge only, and keys are not copied or compared.
use kms_bridge::{Dek, DekBytes, WrappedDek};

fn own(record: &WrappedDek, bytes: &DekBytes) -> Dek {
    Dek::new(record, bytes)
}

fn copy(dek: &Dek) -> Dek {
    Dek::clone(dek)
}

fn main() {
    let _ = (own, copy);
}
