//! An `Intent` cannot be made outside this crate.

#[test]
fn intents_cannot_be_forged() {
    trybuild::TestCases::new().compile_fail("tests/compile-fail/*.rs");
}
