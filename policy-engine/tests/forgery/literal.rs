//! A permit cannot be written down, not even by one who holds a grant.
use policy_engine::{Grant, Permit};

fn forge(grant: Grant) -> Permit<String> {
    Permit { call: "another call".to_owned(), grant }
}

fn main() {
    let _ = forge;
}
