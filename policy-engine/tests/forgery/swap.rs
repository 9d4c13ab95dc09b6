//! The call that was decided cannot be exchanged for another.
use policy_engine::Permit;

fn swap(mut permit: Permit<String>) -> Permit<String> {
    permit.call = "another call".to_owned();
    permit
}

fn main() {
    let _ = swap;
}
