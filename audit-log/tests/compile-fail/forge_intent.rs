//! An intent has private fields.
fn main() {
    let _ = audit_log::Intent { record: todo!(), tenant: todo!(), index: 0, shared: todo!(), ended: false };
}
