//! Counters and histograms of the sidecar, in OpenMetrics text. Labels are names from the
//! configuration and stable codes, never what a caller wrote.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::time::Duration;

/// Labels of a finished call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CallLabels {
    pub(crate) upstream: String,
    pub(crate) action: &'static str,
    /// `ok`, or the stable code of the failure.
    pub(crate) outcome: &'static str,
}

/// Labels of calls that two policies decide differently.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ChangeLabels {
    pub(crate) change: &'static str,
}

/// Labels of one part of a call's time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PartLabels {
    pub(crate) part: &'static str,
}

/// All metrics of one sidecar.
pub struct Metrics {
    registry: Registry,
    pub(crate) calls: Family<CallLabels, Counter>,
    pub(crate) seconds: Family<PartLabels, Histogram, fn() -> Histogram>,
    pub(crate) unauthenticated: Counter,
    policy_differences: Family<ChangeLabels, Counter>,
    pub(crate) in_flight: Gauge,
    pub(crate) pseudonyms: Counter,
    pub(crate) points: Counter,
    pub(crate) store_exchanges: Counter,
    keys_resident: Gauge,
    keys_in_grace: Gauge,
    ledger: Ledger,
}

/// How the ledger is, as of the last scrape.
#[derive(Default)]
struct Ledger {
    entries: Gauge,
    signed: Gauge,
    checkpoint_age: Gauge,
    open_intents: Gauge,
    abandoned: Gauge,
    queued_bytes: Gauge,
    tree_delays: Gauge,
}

impl Ledger {
    fn register(registry: &mut Registry) -> Self {
        let ledger = Self::default();
        let Self { entries, signed, checkpoint_age, open_intents, abandoned, queued_bytes, tree_delays } = &ledger;
        registry.register("ledger_entries", "Records acknowledged", entries.clone());
        registry.register("ledger_signed_entries", "Records under the last signed checkpoint", signed.clone());
        let age = "Time since the checkpoint was up to date";
        registry.register_with_unit("ledger_checkpoint_age", age, Unit::Seconds, checkpoint_age.clone());
        registry.register("ledger_open_intents", "Calls with an intent and no outcome yet", open_intents.clone());
        registry.register("ledger_abandoned_intents", "Intents without an outcome since the start", abandoned.clone());
        registry.register_with_unit(
            "ledger_queued",
            "Records that wait to be written",
            Unit::Bytes,
            queued_bytes.clone(),
        );
        let delays = "Times that tiles or checkpoints were put off for a full disk";
        registry.register("ledger_tree_delays", delays, tree_delays.clone());
        ledger
    }
}

fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 20))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("aios");
        let calls = Family::<CallLabels, Counter>::default();
        let seconds =
            Family::<PartLabels, Histogram, fn() -> Histogram>::new_with_constructor(latency as fn() -> Histogram);
        let unauthenticated = Counter::default();
        let in_flight = Gauge::default();
        let pseudonyms = Counter::default();
        let points = Counter::default();
        let store_exchanges = Counter::default();
        registry.register("calls", "Finished calls by upstream, action and outcome", calls.clone());
        registry.register_with_unit("call", "Time of calls by part", Unit::Seconds, seconds.clone());
        registry.register("unauthenticated", "Requests without a valid credential", unauthenticated.clone());
        let policy_differences = Family::<ChangeLabels, Counter>::default();
        let differences = "Calls that a policy on trial decides differently";
        registry.register("policy_differences", differences, policy_differences.clone());
        registry.register("in_flight", "Calls under way", in_flight.clone());
        registry.register("pseudonyms", "Pseudonyms put into outgoing texts", pseudonyms.clone());
        registry.register("points", "Points of vector stores that were sealed or opened", points.clone());
        registry.register("store_exchanges", "Requests to vector stores", store_exchanges.clone());
        let (keys_resident, keys_in_grace) = (Gauge::default(), Gauge::default());
        registry.register("keys_resident", "Data keys in memory", keys_resident.clone());
        let grace = "Data keys used beyond their time because registry or key service cannot be reached";
        registry.register("keys_in_grace", grace, keys_in_grace.clone());
        let ledger = Ledger::register(&mut registry);
        Self {
            registry,
            calls,
            seconds,
            unauthenticated,
            policy_differences,
            in_flight,
            pseudonyms,
            points,
            store_exchanges,
            keys_resident,
            keys_in_grace,
            ledger,
        }
    }
}

impl Metrics {
    /// Adds one observation of a part of a call.
    pub(crate) fn observe(&self, part: &'static str, time: Duration) {
        self.seconds.get_or_create(&PartLabels { part }).observe(time.as_secs_f64());
    }

    /// Counts a call that two policies decide differently.
    pub(crate) fn policy_difference(&self, change: policy_engine::Change) {
        self.policy_differences.get_or_create(&ChangeLabels { change: change.as_str() }).inc();
    }

    /// Takes over how the keys are.
    pub(crate) fn keys(&self, keys: &kms_bridge::KeyBridge) {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.keys_resident.set(whole(keys.resident()));
        self.keys_in_grace.set(whole(keys.in_grace()));
    }

    /// Takes over how the ledger is.
    pub(crate) fn ledger(&self, health: &audit_log::LedgerHealth) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.ledger.entries.set(whole(health.entries));
        self.ledger.signed.set(whole(health.signed_entries));
        self.ledger.checkpoint_age.set(whole(health.checkpoint_age.as_secs()));
        self.ledger.open_intents.set(whole(health.open_intents));
        self.ledger.abandoned.set(whole(health.abandoned_intents));
        self.ledger.queued_bytes.set(i64::try_from(health.queued_bytes).unwrap_or(i64::MAX));
        self.ledger.tree_delays.set(whole(health.tree_delays));
    }

    /// The OpenMetrics text.
    ///
    /// # Errors
    /// Only if formatting into a string fails.
    pub fn text(&self) -> Result<String, core::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
