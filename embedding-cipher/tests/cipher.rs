//! The cipher and the blind index from outside: errors, determinism, golden bytes, recall.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use embedding_cipher::{
    Beta, BlindIndex, CanonicalValue, CipherError, Dimensions, Metric, Page, PreservingCipher, Scored, exact_score,
    norm, rank,
};
use proptest::prelude::*;
use std::collections::HashSet;
use vocab::Plain;

fn cipher(key: u8, n: usize, beta: f32) -> PreservingCipher {
    let dimensions = Dimensions::new(n as u64).unwrap();
    PreservingCipher::new(&Plain::new([key; 32]), dimensions, Beta::new(beta).unwrap()).unwrap()
}

/// A small generator for test data; not for anything else.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32) / ((1_u64 << 23) as f32) - 1.0
    }

    fn vector(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next() + self.next() + self.next()).collect()
    }
}

#[test]
fn bad_vectors_are_told_apart() {
    let cipher = cipher(1, 3, 2.0);
    let failure = |v: &[f32]| cipher.encrypt_record(b"1", v).map(|_| ()).unwrap_err();
    assert_eq!(failure(&[1.0, 2.0]), CipherError::Dimensions { expected: 3, found: 2 });
    assert_eq!(failure(&[]), CipherError::Dimensions { expected: 3, found: 0 });
    assert_eq!(failure(&[1.0, f32::NAN, f32::INFINITY]), CipherError::NotFinite { at: 1 });
    assert_eq!(failure(&[1.0, 0.0, f32::NEG_INFINITY]), CipherError::NotFinite { at: 2 });
    assert_eq!(failure(&[0.0, -0.0, 0.0]), CipherError::Zero);
    assert!(cipher.encrypt_query(&[f32::MAX, f32::MAX, f32::MIN_POSITIVE]).is_ok(), "large norms do not overflow");
    assert!(cipher.encrypt_query(&[f32::from_bits(1), 0.0, 0.0]).is_ok(), "subnormal numbers have a direction");
}

#[test]
fn parameters_are_checked() {
    assert!(Dimensions::new(0).is_err() && Dimensions::new(65_537).is_err() && Dimensions::new(u64::MAX).is_err());
    assert!(Beta::new(f32::NAN).is_err() && Beta::new(-0.1).is_err() && Beta::new(4.1).is_err());
}

#[test]
fn debug_shows_no_coordinate() {
    let ciphertext = cipher(1, 4, 2.0).encrypt_query(&[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!(format!("{ciphertext:?}"), "VectorCiphertext(4 dimensions)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ciphertexts_have_norm_one_and_depend_on_everything(
        n in prop_oneof![Just(1_usize), Just(2), Just(7), Just(100), Just(384), 2_usize..900],
        seed in any::<u64>(),
        beta in 0.1_f32..4.0,
    ) {
        let v = Lcg(seed).vector(n);
        let one = cipher(1, n, beta);
        let sealed = one.encrypt_record(b"a", &v).unwrap();
        prop_assert!((norm(sealed.as_slice()) - 1.0).abs() < 1e-5);
        let again = cipher(1, n, beta).encrypt_record(b"a", &v).unwrap();
        prop_assert_eq!(sealed.as_slice(), again.as_slice());
        if n > 7 {
            for other in [
                one.encrypt_record(b"b", &v).unwrap(),
                one.encrypt_query(&v).unwrap(),
                cipher(2, n, beta).encrypt_record(b"a", &v).unwrap(),
            ] {
                prop_assert_ne!(sealed.as_slice(), other.as_slice());
            }
            let scaled: Vec<f32> = v.iter().map(|x| x * 2.0).collect();
            let scaled = one.encrypt_record(b"a", &scaled).unwrap();
            prop_assert!((norm(scaled.as_slice()) - 1.0).abs() < 1e-5, "the norm of the input does not show");
        }
    }

    #[test]
    fn without_noise_cosines_are_kept(n in 2_usize..600, seed in any::<u64>()) {
        let mut data = Lcg(seed);
        let (a, b) = (data.vector(n), data.vector(n));
        let cipher = cipher(5, n, 0.0);
        let (x, y) = (cipher.encrypt_record(b"a", &a).unwrap(), cipher.encrypt_query(&b).unwrap());
        let plain = exact_score(Metric::Cosine, &a, &b).unwrap();
        let kept = exact_score(Metric::Cosine, x.as_slice(), y.as_slice()).unwrap();
        prop_assert!((plain - kept).abs() < 1e-5);
    }
}

/// Clustered data, searched through ciphertexts with over-fetch and exact re-ranking.
#[test]
fn recall_with_reranking_at_the_default_noise() {
    let (n, clusters, per_cluster, k) = (384, 4, 400, 10);
    let mut data = Lcg(42);
    let centres: Vec<Vec<f32>> = (0..clusters).map(|_| data.vector(n)).collect();
    // Embeddings of one topic vary in far fewer directions than they have coordinates.
    let directions: Vec<Vec<f32>> = (0..24).map(|_| data.vector(n)).collect();
    let near = |data: &mut Lcg, centre: &[f32]| -> Vec<f32> {
        let mut v = centre.to_vec();
        for direction in &directions {
            let weight = 0.5 * data.next();
            v.iter_mut().zip(direction).for_each(|(x, d)| *x += weight * d);
        }
        v
    };
    let rows: Vec<Vec<f32>> =
        centres.iter().flat_map(|c| (0..per_cluster).map(|_| near(&mut data, c)).collect::<Vec<_>>()).collect();
    let queries: Vec<Vec<f32>> = (0..20).map(|i| near(&mut data, &centres[i % clusters])).collect();
    let cipher = cipher(9, n, Beta::default().value());
    let stored: Vec<_> =
        rows.iter().enumerate().map(|(id, v)| cipher.encrypt_record(&id.to_be_bytes(), v).unwrap()).collect();

    let top = |query: &[f32], from: &mut dyn Iterator<Item = (usize, &[f32])>, limit| -> Vec<usize> {
        let hits =
            from.map(|(item, v)| Scored { score: exact_score(Metric::Cosine, query, v).unwrap(), item }).collect();
        rank(Metric::Cosine, hits, Page { offset: 0, limit, threshold: None }).into_iter().map(|h| h.item).collect()
    };
    let mut found = 0;
    for query in &queries {
        let truth: HashSet<usize> =
            top(query, &mut rows.iter().enumerate().map(|(i, v)| (i, v.as_slice())), k).into_iter().collect();
        let sealed = cipher.encrypt_query(query).unwrap();
        let candidates = top(sealed.as_slice(), &mut stored.iter().enumerate().map(|(i, c)| (i, c.as_slice())), 100);
        let reranked = top(query, &mut candidates.iter().map(|i| (*i, rows[*i].as_slice())), k);
        found += reranked.iter().filter(|item| truth.contains(item)).count();
    }
    let recall = found as f64 / (queries.len() * k) as f64;
    assert!(recall >= 0.99, "recall@{k} {recall}");
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().map(|b| format!("{b:02x}")).collect()
}

/// What version 1 makes of fixed inputs, one JSON object.
fn version_1() -> serde_json::Value {
    let vectors: Vec<_> = [1_usize, 2, 7, 100, 384]
        .iter()
        .map(|n| {
            let v: Vec<f32> = (0..*n).map(|i| ((i * 37 + 11) % 101) as f32 / 64.0 - 0.75).collect();
            let cipher = cipher(0x42, *n, 2.0);
            let bytes = |c: embedding_cipher::VectorCiphertext| hex(c.as_slice().iter().flat_map(|x| x.to_le_bytes()));
            serde_json::json!({
                "dimensions": n,
                "record_7": bytes(cipher.encrypt_record(b"7", &v).unwrap()),
                "query": bytes(cipher.encrypt_query(&v).unwrap()),
            })
        })
        .collect();
    let index = BlindIndex::new(&Plain::new([0x42; 32])).unwrap();
    let token = |value: CanonicalValue<'_>| index.token("lang", &value).to_string();
    serde_json::json!({
        "key": "42 repeated 32 times",
        "vector": "coordinate i = ((37 i + 11) mod 101) / 64 - 0.75; beta 2; f32 little-endian, hex",
        "vectors": vectors,
        "field_lang": index.field("lang").to_string(),
        "token_null": token(CanonicalValue::Null),
        "token_empty": token(CanonicalValue::Empty),
        "token_opaque": token(CanonicalValue::Opaque),
        "token_true": token(CanonicalValue::Bool(true)),
        "token_integer_3": token(CanonicalValue::Integer(3)),
        "token_float_3": token(CanonicalValue::Float(3.0)),
        "token_text_en": token(CanonicalValue::Text("en")),
    })
}

#[test]
fn golden_file_of_version_1() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/v1.json");
    let made = version_1();
    if std::env::var_os("AIOS_WRITE_GOLDEN").is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(made, golden, "stored collections would not be searchable any more");
}
