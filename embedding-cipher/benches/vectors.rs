//! Time per vector: encrypting, tokens and exact scores.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use embedding_cipher::{Beta, BlindIndex, CanonicalValue, Dimensions, Metric, PreservingCipher, exact_score};
use std::hint::black_box;
use vocab::Plain;

fn vectors(c: &mut Criterion) {
    for n in [384_u16, 768, 1536, 3072] {
        let dimensions = Dimensions::new(u64::from(n)).unwrap();
        let cipher = PreservingCipher::new(&Plain::new([7; 32]), dimensions, Beta::default()).unwrap();
        let vector: Vec<f32> = (0..n).map(|i| f32::from(i).sin()).collect();
        c.bench_function(&format!("encrypt_record_{n}"), |b| {
            b.iter(|| cipher.encrypt_record(black_box(b"12345678"), black_box(&vector)).unwrap());
        });
        c.bench_function(&format!("exact_cosine_{n}"), |b| {
            b.iter(|| exact_score(Metric::Cosine, black_box(&vector), black_box(&vector)).unwrap());
        });
    }
    let index = BlindIndex::new(&Plain::new([7; 32])).unwrap();
    c.bench_function("token", |b| b.iter(|| index.token(black_box("lang"), &CanonicalValue::Text(black_box("en")))));
    c.bench_function("prepare_384", |b| {
        b.iter(|| PreservingCipher::new(&Plain::new([7; 32]), Dimensions::new(384).unwrap(), Beta::default()).unwrap());
    });
}

criterion_group!(benches, vectors);
criterion_main!(benches);
