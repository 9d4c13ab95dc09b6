//! Leaves of schema version 2: canonical JSON (RFC 8785) of a record.
//!
//! Every struct here lists its fields in the order of their names, so that what serde writes *is*
//! canonical; a test holds the bytes against an independent canonicaliser. Absent and empty fields
//! are left out.

use serde::{Deserialize, Serialize, Serializer};
use vocab::{CollectionName, ModelName, RecordId, TenantId, UpstreamName};

use super::words::{Commitment, Count, Pseudonym, UnixMillis, Word};
use super::{
    Blame, CallError, CallStatus, Compared, Coverage, CoverageByField, EventRecord, Facts, IntentRecord, LabelCounts,
    Latency, OutcomeRecord, RefusalRecord,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of a leaf: tlog-tiles entry bundles carry a 16-bit length.
pub const MAX_LEAF: usize = 65_535;

/// The schema version that this crate writes.
const SCHEMA: u8 = 2;

/// Why a record has no leaf.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// The record is too large for an entry bundle: too many rules, fields or labels.
    #[error("record of {bytes} bytes is above the limit of 65535")]
    TooLarge {
        /// The length that the leaf would have.
        bytes: usize,
    },
    /// The serialiser gave up. No record of this crate makes it do so.
    #[error("record cannot be serialised")]
    Serialise(#[source] serde_json::Error),
}

/// What a reader needs to know of any leaf, whatever its schema version adds.
#[derive(Debug, Deserialize)]
pub(crate) struct LeafHead<'a> {
    /// `intent`, `outcome`, `refusal` or `event`.
    #[serde(borrow)]
    pub(crate) kind: std::borrow::Cow<'a, str>,
    /// The id that pairs intent and outcome.
    #[serde(borrow, default)]
    pub(crate) record: Option<std::borrow::Cow<'a, str>>,
    /// The schema version.
    pub(crate) v: u64,
}

impl LeafHead<'_> {
    /// Reads the head of a leaf; `None` when it is no JSON object with `kind` and `v`.
    pub(crate) fn read(leaf: &[u8]) -> Option<LeafHead<'_>> {
        serde_json::from_slice(leaf).ok()
    }
}

#[derive(Serialize)]
struct IntentLeaf<'a> {
    action: &'a Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<&'a CollectionName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'a Compared>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    coverage: &'a CoverageByField,
    #[serde(skip_serializing_if = "no_facts")]
    facts: Option<&'a Facts>,
    kind: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a LabelCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a ModelName>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    obligations: &'a BTreeSet<Word>,
    policy: &'a Word,
    principal: &'a Pseudonym,
    record: &'a RecordId,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Commitment>,
    request_bytes: Count,
    resource: &'a Word,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    rules: &'a BTreeSet<Word>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    shadow: &'a BTreeSet<Word>,
    tenant: &'a TenantId,
    time: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a UpstreamName>,
    v: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<&'a Word>,
}

#[derive(Serialize)]
struct OutcomeLeaf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_microusd: Option<Count>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    coverage: &'a CoverageByField,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a CallError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    kind: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a LabelCounts,
    #[serde(skip_serializing_if = "no_part")]
    latency_us: &'a Latency,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    obligations: &'a BTreeSet<Word>,
    record: &'a RecordId,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Commitment>,
    response_bytes: Count,
    status: CallStatus,
    tenant: &'a TenantId,
    time: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_in: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_out: Option<Count>,
    v: u8,
}

#[derive(Serialize)]
struct RefusalLeaf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<&'a CollectionName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'a Compared>,
    error: &'a CallError,
    #[serde(skip_serializing_if = "no_facts")]
    facts: Option<&'a Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    kind: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a LabelCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a ModelName>,
    #[serde(skip_serializing_if = "none_of")]
    obligations: Option<&'a BTreeSet<Word>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a Pseudonym>,
    record: &'a RecordId,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a Word>,
    #[serde(skip_serializing_if = "none_of")]
    rules: Option<&'a BTreeSet<Word>>,
    #[serde(skip_serializing_if = "none_of")]
    shadow: Option<&'a BTreeSet<Word>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a TenantId>,
    time: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a UpstreamName>,
    v: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<&'a Word>,
}

#[derive(Serialize)]
struct EventLeaf<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: &'a BTreeMap<Word, Word>,
    event: &'a Word,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a Pseudonym>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a TenantId>,
    time: UnixMillis,
    v: u8,
}

/// The leaf of an intent.
pub(crate) fn encode_intent(intent: &IntentRecord) -> Result<Vec<u8>, LeafError> {
    encode(&IntentLeaf {
        action: &intent.subject.action,
        collection: intent.subject.collection.as_ref(),
        compared: intent.decision.compared.as_ref(),
        coverage: &intent.coverage,
        facts: Some(&intent.decision.facts),
        kind: "intent",
        labels: &intent.labels,
        model: intent.subject.model.as_ref(),
        obligations: &intent.decision.obligations,
        policy: &intent.decision.policy,
        principal: &intent.principal,
        record: &intent.record,
        region: intent.subject.region.as_ref(),
        request: intent.request,
        request_bytes: intent.request_bytes,
        resource: &intent.subject.resource,
        rules: &intent.decision.rules,
        shadow: &intent.decision.shadow,
        tenant: &intent.tenant,
        time: intent.time,
        trace: intent.correlation.trace.as_ref(),
        upstream: intent.subject.upstream.as_ref(),
        v: SCHEMA,
        workflow: intent.correlation.workflow.as_ref(),
    })
}

/// The leaf of an outcome.
pub(crate) fn encode_outcome(
    record: &RecordId,
    tenant: &TenantId,
    outcome: &OutcomeRecord,
) -> Result<Vec<u8>, LeafError> {
    encode(&OutcomeLeaf {
        cost_microusd: outcome.cost_microusd,
        coverage: &outcome.coverage,
        error: outcome.error.as_ref(),
        http_status: outcome.http_status,
        kind: "outcome",
        labels: &outcome.labels,
        latency_us: &outcome.latency,
        obligations: &outcome.obligations,
        record,
        response: outcome.response,
        response_bytes: outcome.response_bytes,
        status: outcome.status,
        tenant,
        time: outcome.time,
        tokens_in: outcome.tokens.map(|t| t.input),
        tokens_out: outcome.tokens.map(|t| t.output),
        v: SCHEMA,
    })
}

/// The leaf of a refusal.
pub(crate) fn encode_refusal(refusal: &RefusalRecord) -> Result<Vec<u8>, LeafError> {
    let (subject, decision) = (refusal.subject.as_ref(), refusal.decision.as_ref());
    encode(&RefusalLeaf {
        action: subject.map(|s| &s.action),
        collection: subject.and_then(|s| s.collection.as_ref()),
        compared: decision.and_then(|d| d.compared.as_ref()),
        error: &refusal.error,
        facts: decision.map(|d| &d.facts),
        http_status: refusal.http_status,
        kind: "refusal",
        labels: &refusal.labels,
        model: subject.and_then(|s| s.model.as_ref()),
        obligations: decision.map(|d| &d.obligations),
        policy: decision.map(|d| &d.policy),
        principal: refusal.principal.as_ref(),
        record: &refusal.record,
        region: subject.and_then(|s| s.region.as_ref()),
        resource: subject.map(|s| &s.resource),
        rules: decision.map(|d| &d.rules),
        shadow: decision.map(|d| &d.shadow),
        tenant: refusal.tenant.as_ref(),
        time: refusal.time,
        trace: refusal.correlation.trace.as_ref(),
        upstream: subject.and_then(|s| s.upstream.as_ref()),
        v: SCHEMA,
        workflow: refusal.correlation.workflow.as_ref(),
    })
}

/// The leaf of an event.
pub(crate) fn encode_event(event: &EventRecord) -> Result<Vec<u8>, LeafError> {
    encode(&EventLeaf {
        details: &event.details,
        event: &event.event,
        kind: "event",
        principal: event.principal.as_ref(),
        tenant: event.tenant.as_ref(),
        time: event.time,
        v: SCHEMA,
    })
}

fn encode(leaf: &impl Serialize) -> Result<Vec<u8>, LeafError> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, leaf).map_err(LeafError::Serialise)?;
    if bytes.len() > MAX_LEAF { Err(LeafError::TooLarge { bytes: bytes.len() }) } else { Ok(bytes) }
}

fn none_of(set: &Option<&BTreeSet<Word>>) -> bool {
    set.is_none_or(BTreeSet::is_empty)
}

fn no_facts(facts: &Option<&Facts>) -> bool {
    facts.is_none_or(|facts| *facts == Facts::default())
}

fn no_part(latency: &&Latency) -> bool {
    **latency == Latency::default()
}

impl Serialize for Coverage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scanned => serializer.serialize_str("scanned"),
            Self::NotScannable => serializer.serialize_str("not_scannable"),
            Self::ExemptBy(rule) => serializer.collect_str(&format_args!("exempt_by:{rule}")),
        }
    }
}

impl Serialize for CallStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::ClientGone => "client_gone",
            Self::Withheld => "withheld",
            Self::Abandoned => "abandoned",
        })
    }
}

impl Serialize for Blame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Kms => "kms",
            Self::Ledger => "ledger",
            Self::Upstream => "upstream",
            Self::Internal => "internal",
        })
    }
}

impl Serialize for CallError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            blame: Blame,
            code: &'a Word,
        }
        Fields { blame: self.blame, code: &self.code }.serialize(serializer)
    }
}

impl Serialize for Compared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            change: &'a Word,
            policy: &'a Word,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a Word>,
        }
        let Self { change, policy, reason } = self;
        Fields { change, policy, reason: reason.as_ref() }.serialize(serializer)
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            #[serde(skip_serializing_if = "BTreeSet::is_empty")]
            groups: &'a BTreeSet<Word>,
            #[serde(skip_serializing_if = "Option::is_none")]
            k: Option<Count>,
            #[serde(skip_serializing_if = "Option::is_none")]
            purpose: Option<&'a Word>,
            #[serde(skip_serializing_if = "BTreeSet::is_empty")]
            roles: &'a BTreeSet<Word>,
            #[serde(skip_serializing_if = "Option::is_none")]
            tokens: Option<Count>,
            #[serde(skip_serializing_if = "Option::is_none")]
            trust: Option<&'a Word>,
        }
        let Self { groups, roles, trust, purpose, tokens, k } = self;
        Fields { groups, k: *k, purpose: purpose.as_ref(), roles, tokens: *tokens, trust: trust.as_ref() }
            .serialize(serializer)
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            #[serde(skip_serializing_if = "Option::is_none")]
            decide: Option<Count>,
            #[serde(skip_serializing_if = "Option::is_none")]
            intent: Option<Count>,
            #[serde(skip_serializing_if = "Option::is_none")]
            open: Option<Count>,
            #[serde(skip_serializing_if = "Option::is_none")]
            seal: Option<Count>,
            #[serde(skip_serializing_if = "Option::is_none")]
            total: Option<Count>,
            #[serde(skip_serializing_if = "Option::is_none")]
            upstream: Option<Count>,
        }
        let Self { decide, seal, intent, upstream, open, total } = *self;
        Fields { decide, intent, open, seal, total, upstream }.serialize(serializer)
    }
}
