//! There is no permit out of nothing.
use policy_engine::{Grant, Permit};

fn main() {
    let _: Permit<()> = Permit::default();
    let _: Grant = Grant::default();
}
