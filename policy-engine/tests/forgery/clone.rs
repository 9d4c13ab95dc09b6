//! A permit cannot be used twice.
use policy_engine::Permit;

fn twice(permit: &Permit<()>) -> Permit<()> {
    permit.clone()
}

fn main() {
    let _ = twice;
}
