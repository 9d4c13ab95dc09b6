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
    pub(crate) in_flight: Gauge,
    pub(crate) pseudonyms: Counter,
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
        registry.register("calls", "Finished calls by upstream, action and outcome", calls.clone());
        registry.register_with_unit("call", "Time of calls by part", Unit::Seconds, seconds.clone());
        registry.register("unauthenticated", "Requests without a valid credential", unauthenticated.clone());
        registry.register("in_flight", "Calls under way", in_flight.clone());
        registry.register("pseudonyms", "Pseudonyms put into outgoing texts", pseudonyms.clone());
        Self { registry, calls, seconds, unauthenticated, in_flight, pseudonyms }
    }
}

impl Metrics {
    /// Adds one observation of a part of a call.
    pub(crate) fn observe(&self, part: &'static str, time: Duration) {
        self.seconds.get_or_create(&PartLabels { part }).observe(time.as_secs_f64());
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
