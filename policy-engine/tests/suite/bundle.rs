//! Signed bundles: what is sealed opens as it was, and nothing else opens.

use policy_engine::bundle::{Bundle, BundleError, BundleKey, BundleKeys, PolicyVersion, SealError, Wanted, open, seal};
use policy_engine::{Document, PolicySet};
use proptest::prelude::*;

// The seeds are 32 bytes of 0x01 and of 0x02. Made, as the golden bundle, by another implementation.
const ALICE: &str = "PRIVATE+KEY+policy.example/alice+1796fff2+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
const ALICE_PUBLIC: &str = "policy.example/alice+1796fff2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const MALLORY: &str = "PRIVATE+KEY+policy.example/mallory+32aa8e3e+AQICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC";
const GOLDEN: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/policy-bundle-v1.bundle"));

fn document(name: &str, text: &str) -> Document {
    Document { name: name.into(), text: text.into() }
}

fn documents() -> Vec<Document> {
    vec![
        document("b.toml", "version = 1\ntenant = \"globex\"\n# \u{e9}\n"),
        document("a.toml", "version = 1\ntenant = \"acme\"\n"),
    ]
}

fn version(number: u64) -> PolicyVersion {
    PolicyVersion::new(number).unwrap()
}

fn sealed(documents: &[Document], number: u64, key: &str) -> Vec<u8> {
    seal(documents, version(number), 1_900_000_000, &BundleKey::parse(key).unwrap()).unwrap()
}

fn opened(bytes: &[u8]) -> Result<Bundle, BundleError> {
    open(bytes, &BundleKeys::parse(ALICE_PUBLIC).unwrap(), &Wanted::First)
}

#[test]
fn the_golden_bundle_is_what_is_written_and_opens() {
    assert_eq!(sealed(&documents(), 7, ALICE), GOLDEN);
    let bundle = opened(GOLDEN).unwrap();
    assert_eq!((bundle.version, bundle.created), (version(7), 1_900_000_000));
    assert_eq!(bundle.signed_by, ["policy.example/alice+1796fff2"]);
    let mut expected = documents();
    expected.reverse();
    assert_eq!(bundle.documents, expected);
    assert_eq!(&bundle.policy, PolicySet::compile(&bundle.documents).unwrap().digest());
}

#[test]
fn every_changed_byte_is_noticed() {
    for at in 0..GOLDEN.len() {
        let mut bytes = GOLDEN.to_vec();
        bytes[at] ^= 1 << (at % 8);
        assert!(opened(&bytes).is_err(), "byte {at}");
        if at % 5 == 0 {
            assert!(opened(&GOLDEN[..at]).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn each_refusal_has_its_name() {
    let mut more = GOLDEN.to_vec();
    more.push(b'#');
    assert_eq!(opened(&more), Err(BundleError::Extra));
    assert_eq!(opened(&GOLDEN[..GOLDEN.len() - 1]), Err(BundleError::CutOff));
    let mut changed = GOLDEN.to_vec();
    *changed.last_mut().unwrap() = b' ';
    assert_eq!(opened(&changed), Err(BundleError::Changed { name: "b.toml".into() }));
    assert_eq!(opened(&sealed(&documents(), 7, MALLORY)), Err(BundleError::NotSigned));
    assert_eq!(opened(b"hello"), Err(BundleError::Malformed));
    let text = String::from_utf8(GOLDEN.to_vec()).unwrap();
    let forged = text.replacen("\"version\":7", "\"version\":8", 1);
    assert_eq!(opened(forged.as_bytes()), Err(BundleError::WrongSignature));
}

#[test]
fn versions_go_onward_and_back_only_by_name() {
    let keys = BundleKeys::parse(ALICE_PUBLIC).unwrap();
    let policy = opened(GOLDEN).unwrap().policy;
    let try_open = |number: u64, wanted: &Wanted| {
        open(&sealed(&documents(), number, ALICE), &keys, wanted).map(|bundle| bundle.version.get())
    };
    let running = Wanted::Onward { version: version(7), policy };
    assert_eq!(try_open(8, &running), Ok(8));
    assert_eq!(try_open(7, &running), Ok(7), "a restart loads what ran");
    assert_eq!(try_open(6, &running), Err(BundleError::Older { running: version(7), found: version(6) }));
    assert_eq!(try_open(6, &Wanted::Exactly(version(6))), Ok(6));
    let other = Err(BundleError::OtherVersion { wanted: version(5), found: version(6) });
    assert_eq!(try_open(6, &Wanted::Exactly(version(5))), other);
    let twin = sealed(&documents()[..1], 7, ALICE);
    assert_eq!(open(&twin, &keys, &running), Err(BundleError::SameVersion { version: version(7) }));
}

#[test]
fn what_cannot_be_a_bundle_is_not_sealed() {
    let key = BundleKey::parse(ALICE).unwrap();
    let failure = |documents: &[Document]| seal(documents, version(1), 0, &key).map(|_| ());
    assert_eq!(failure(&[]), Err(SealError::Empty));
    assert_eq!(failure(&[document("a", ""), document("a", "x")]), Err(SealError::Names));
    assert_eq!(failure(&[document("", "")]), Err(SealError::Names));
    for name in ["a\nb", "..", "../a.toml", "/a", "a\\b"] {
        assert_eq!(failure(&[document(name, "")]), Err(SealError::Names), "{name:?}");
    }
    let late = seal(&documents(), version(1), 1 << 53, &key);
    assert_eq!(late, Err(SealError::Time));
    let many: Vec<Document> = (0..10_000).map(|n| document(&format!("tenant-{n:08}.toml"), "")).collect();
    assert_eq!(failure(&many), Err(SealError::TooLarge));
    for text in ["", "x", "a+b+c", ALICE_PUBLIC] {
        assert!(BundleKey::parse(text).is_err(), "{text}");
    }
    for text in ["", "# none", "x", ALICE, &format!("{ALICE_PUBLIC}\nx")] {
        assert!(BundleKeys::parse(text).is_err(), "{text}");
    }
    assert!(PolicyVersion::new(0).is_err() && PolicyVersion::new(1 << 53).is_err());
    assert_eq!("12".parse::<PolicyVersion>().map(PolicyVersion::get), Ok(12));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn documents_come_back_as_they_went_in(
        texts in prop::collection::btree_map("[a-z][a-z. \u{e9}]{0,12}", "(?s).{0,60}", 1..6),
        number in 1_u64..1 << 53,
        created in any::<u64>(),
    ) {
        let documents: Vec<Document> = texts.iter().map(|(name, text)| document(name, text)).collect();
        let created = created >> 11;
        let bytes = seal(&documents, version(number), created, &BundleKey::parse(ALICE).unwrap()).unwrap();
        let bundle = opened(&bytes).unwrap();
        prop_assert_eq!(bundle.documents, documents);
        prop_assert_eq!((bundle.version.get(), bundle.created), (number, created));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(opened(&bytes).is_err());
    }
}
