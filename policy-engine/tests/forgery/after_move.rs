//! A permit whose call was taken is gone.
use policy_engine::{Grant, Permit};

fn take_twice(permit: Permit<String>) -> (String, Grant, String) {
    let (call, grant) = permit.into_call();
    let (again, _) = permit.into_call();
    (call, grant, again)
}

fn main() {
    let _ = take_twice;
}
