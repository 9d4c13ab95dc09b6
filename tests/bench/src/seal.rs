//! `bench seal`: what a value costs beside plain AES-256-GCM of `ring` on the same bytes, and what finding its key costs.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use crate::{error::BenchError, stats::median};
use kms_bridge::{
    CacheConfig, DekScope, KekPer, KeyBridge, LocalKeyring, MemoryRegistry, ProviderName, Providers, Purpose,
    SealContext, Unlock, seal,
};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand::SystemRandom,
};
use serde::Serialize;
use std::{hint::black_box, path::PathBuf, sync::Arc, time::Duration, time::Instant};
use vocab::{CollectionName, TenantId, UpstreamName};

/// What `bench seal` takes.
#[derive(clap::Args)]
pub(crate) struct SealArgs {
    /// Where the keyring is made.
    #[arg(long, default_value = "target")]
    scratch: PathBuf,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// Print one JSON object on the last line instead of a table.
    #[arg(long)]
    json: bool,
}

/// One thread. Nanoseconds for a hit of the key cache, microseconds for sealing 1 and 6 KiB.
#[derive(Debug, Serialize)]
struct Figures {
    cache_hit_ns: f64,
    seal_1k_us: f64,
    seal_6k_us: f64,
    ring_1k_us: f64,
    ring_6k_us: f64,
}

/// How often each operation is done in a round.
const TIMES: u32 = 20_000;

/// Takes all figures in turns, and the median of the rounds.
///
/// # Errors
/// When a key cannot be made.
pub(crate) async fn run(args: &SealArgs) -> Result<(), BenchError> {
    let home = tempfile::tempdir_in(&args.scratch)?;
    let unlock = Unlock::KeyFile(home.path().join("root.key"));
    let keyring = LocalKeyring::open(&home.path().join("keyring"), &unlock).map_err(|_| BenchError::Key)?;
    let day = Duration::from_secs(86_400);
    let bridge = KeyBridge::new(
        Providers::single(ProviderName::local(), Arc::new(keyring)),
        Arc::new(MemoryRegistry::new()),
        KekPer::Tenant,
        CacheConfig { ttl: day, ..CacheConfig::default() },
    );
    let name = |_| BenchError::Key;
    let scope = DekScope {
        tenant: TenantId::new("acme").map_err(name)?,
        purpose: Purpose::Payload,
        collection: Some(CollectionName::new("documents").map_err(name)?),
    };
    let upstream = UpstreamName::new("contracts-db").map_err(name)?;
    let dek = bridge.sealing(&scope).await.map_err(|_| BenchError::Key)?;
    let context = SealContext {
        tenant: &scope.tenant,
        upstream: &upstream,
        collection: scope.collection.as_ref(),
        record: "5c56c793-69f3-4fbf-87e6-c4bf54c28c26",
        field: "payload",
        purpose: scope.purpose,
    };
    let rng = SystemRandom::new();
    let plain = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| BenchError::Key)?);
    let (kilo, six) = (vec![0x61; 1024], vec![0x61; 6 * 1024]);
    let sealed = |bytes: &[u8]| seal(&dek, &context, black_box(bytes), &rng).map_err(|_| BenchError::Key).map(drop);
    let by_ring = |bytes: &[u8]| {
        let mut copy = Vec::with_capacity(bytes.len() + 16);
        copy.extend_from_slice(black_box(bytes));
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        plain.seal_in_place_append_tag(nonce, Aad::empty(), &mut copy).map_err(|_| BenchError::Key)?;
        black_box(copy);
        Ok(())
    };
    let mut rounds: [Vec<f64>; 5] = Default::default();
    for _ in 0..args.rounds {
        let began = Instant::now();
        for _ in 0..TIMES {
            black_box(bridge.sealing(black_box(&scope)).await.map_err(|_| BenchError::Key)?);
        }
        let hit = each(began);
        let figures = [hit, timed(&kilo, sealed)?, timed(&six, sealed)?, timed(&kilo, by_ring)?, timed(&six, by_ring)?];
        rounds.iter_mut().zip(figures).for_each(|(round, figure)| round.push(figure));
    }
    let [hit, seal_1k, seal_6k, ring_1k, ring_6k] = &rounds;
    let figures = Figures {
        cache_hit_ns: median(hit, "a hit")? * 1000.0,
        seal_1k_us: median(seal_1k, "seals")?,
        seal_6k_us: median(seal_6k, "seals")?,
        ring_1k_us: median(ring_1k, "ring")?,
        ring_6k_us: median(ring_6k, "ring")?,
    };
    if args.json {
        println!("{}", serde_json::to_string(&figures)?);
    } else {
        println!("a hit of the key cache     {:8.0} ns  (goal 150)", figures.cache_hit_ns);
        let line = |what: &str, seal: f64, ring: f64, goal: f64| {
            println!(
                "sealing {what}              {seal:8.2} us  (goal {goal}; ring alone {ring:.2} us, ratio {:.2})",
                seal / ring
            );
        };
        line("1 KiB", figures.seal_1k_us, figures.ring_1k_us, 2.0);
        line("6 KiB", figures.seal_6k_us, figures.ring_6k_us, 3.5);
    }
    Ok(())
}

fn timed(bytes: &[u8], work: impl Fn(&[u8]) -> Result<(), BenchError>) -> Result<f64, BenchError> {
    let began = Instant::now();
    for _ in 0..TIMES {
        work(bytes)?;
    }
    Ok(each(began))
}

/// Microseconds of one operation.
fn each(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}
