//! What the hot path pays for.
#![allow(clippy::unwrap_used, missing_docs, reason = "bench")]

use bytes::Bytes;
use content_guard::json::Document;
use content_guard::{
    FieldPlan, LabelSet, PseudonymMap, Pseudonymiser, Restorer, ScannedBody, Scanner, Syntax, guard_text,
};
use criterion::{Criterion, criterion_group, criterion_main};
use vocab::Plain;

fn guard(c: &mut Criterion) {
    let clean = "The quick brown fox jumps over the lazy dog, twice on 12 May. ".repeat(34);
    let accented = "Der schnelle Fuchs springt über den müden Hund, zweimal am 12. Mai. ".repeat(30);
    let busy = clean.replacen("dog", "alice@example.com, +49 170 1234567, 4111 1111 1111 1111", 4);
    let scanner = Scanner::standard();
    let maker = Pseudonymiser::new(&Plain::new([1; 32]));
    c.bench_function("scan_2k_clean", |b| b.iter(|| scanner.scan(&clean)));
    c.bench_function("scan_2k_accented", |b| b.iter(|| scanner.scan(&accented)));
    c.bench_function("pseudonymise_2k_12_findings", |b| {
        b.iter(|| guard_text(&scanner, &busy, LabelSet::all(), &maker, &mut PseudonymMap::new()));
    });
    let mut map = PseudonymMap::new();
    let sent = guard_text(&scanner, &busy, LabelSet::all(), &maker, &mut map).into_content();
    let restorer = Restorer::new(map);
    c.bench_function("restore_2k_12_tokens", |b| b.iter(|| restorer.restore(&sent, Syntax::Text).len()));
    for unit in ["1 1 ", "phone 1 ", "999-", "a@a.b.", "4111 ", "0123 ", "\\n"] {
        let hostile = unit.repeat(2048 / unit.len());
        c.bench_function(&format!("scan_2k_hostile_{unit}"), |b| b.iter(|| scanner.scan(&hostile)));
    }
    let body = Bytes::from(format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"system\",\"content\":\"Be brief.\"}},{{\"role\":\"user\",\"content\":\"{clean}\"}}],\"stream\":true}}"
    ));
    c.bench_function("read_json_2k", |b| b.iter(|| Document::parse(body.clone()).unwrap()));
    c.bench_function("read_and_scan_json_2k", |b| {
        b.iter(|| {
            let document = Document::parse(body.clone()).unwrap();
            let plan = FieldPlan::new(&document);
            ScannedBody::scan(&scanner, document, &plan)
        });
    });
}

criterion_group!(benches, guard);
criterion_main!(benches);
