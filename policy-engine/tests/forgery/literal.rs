//! A permit cannot be written down.
use policy_engine::Permit;

fn main() {
    let _: Permit<()> = Permit { call: (), grant: todo!() };
}
