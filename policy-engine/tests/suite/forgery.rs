//! What must not compile: a permit that nobody granted.

#[test]
fn no_other_crate_can_make_a_permit() {
    trybuild::TestCases::new().compile_fail("tests/forgery/*.rs");
}
