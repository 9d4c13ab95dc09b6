//! What is recorded: the typed records that callers hand in. `docs/formats-ledger.md` has the leaves.

mod canonical;
mod leaf;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use vocab::{CollectionName, ModelName, RecordId, TenantId, UpstreamName};

pub use canonical::{NotCanonical, check_canonical};
pub use leaf::{LeafError, MAX_LEAF};
pub use words::{
    BadPseudonym, BadWord, Commitment, Committing, Count, MAX_INTEGER, Pseudonym, Salt, Side, TooLarge, UnixMillis,
    Word,
};

pub(crate) use leaf::LeafHead;
#[cfg(feature = "writer")]
pub(crate) use leaf::{encode_event, encode_intent, encode_outcome, encode_refusal};

/// How far the content scan reached into one field of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// The text of the field was scanned, in the form in which it was forwarded.
    Scanned,
    /// The field has no text that a scanner reads: an image, audio, a number.
    NotScannable,
    /// The named rule exempts the field.
    ExemptBy(Word),
}

/// Field path -> how far it was scanned.
pub type CoverageByField = BTreeMap<Word, Coverage>;

/// Label -> how many findings had it.
pub type LabelCounts = BTreeMap<Word, Count>;

/// What a call is about. Shared by intents and refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The action that was decided, such as `model.chat`.
    pub action: Word,
    /// The resource, such as `model:openai/gpt-4o`.
    pub resource: Word,
    /// The upstream that the call goes to.
    pub upstream: Option<UpstreamName>,
    /// The region of that upstream.
    pub region: Option<Word>,
    /// The model, as the app names it.
    pub model: Option<ModelName>,
    /// The collection, as the app names it.
    pub collection: Option<CollectionName>,
}

/// What the policy read beside what else the record holds, so that the decision can be made again by another
/// policy. Names of the configuration and of policies, and numbers; no claims, which may be personal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The groups that the credential vouched for.
    pub groups: BTreeSet<Word>,
    /// The roles that the caller held under the deciding policy.
    pub roles: BTreeSet<Word>,
    /// The trust of the upstream.
    pub trust: Option<Word>,
    /// The purpose that the caller named.
    pub purpose: Option<Word>,
    /// How many tokens the call was estimated to use.
    pub tokens: Option<Count>,
    /// How many results a search asked for.
    pub k: Option<Count>,
}

/// What a policy on trial would have decided, where it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// How, such as `newly_denied`.
    pub change: Word,
    /// The digest of the policy whose decision was not carried out.
    pub policy: Word,
    /// The reason of that decision, if it was a denial.
    pub reason: Option<Word>,
}

/// What the policy said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The digest of the policy set that decided.
    pub policy: Word,
    /// Every rule that matched.
    pub rules: BTreeSet<Word>,
    /// The obligations that were carried out before anything left, such as `pseudonymise`.
    pub obligations: BTreeSet<Word>,
    /// What it read.
    pub facts: Facts,
    /// What rules in mode `shadow` would have done, such as `no-images:would_deny`.
    pub shadow: BTreeSet<Word>,
    /// What another policy would have said.
    pub compared: Option<Compared>,
}

/// Ids that the caller brought along, to find the record from its workflow or trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correlation {
    /// The workflow or run id.
    pub workflow: Option<Word>,
    /// The trace id.
    pub trace: Option<Word>,
}

/// The first of the two records of a call: what is about to leave, for whom, and why it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRecord {
    /// The id that both records of the call carry.
    pub record: RecordId,
    /// When the call was decided.
    pub time: UnixMillis,
    /// The tenant of the verified credential.
    pub tenant: TenantId,
    /// Stands for the principal of that credential.
    pub principal: Pseudonym,
    /// What the call is about.
    pub subject: Subject,
    /// Why it may go on.
    pub decision: Decision,
    /// How far each field of the request was scanned.
    pub coverage: CoverageByField,
    /// What the scan of the request found.
    pub labels: LabelCounts,
    /// Commits to the bytes that leave.
    pub request: Option<Commitment>,
    /// How many bytes leave.
    pub request_bytes: Count,
    /// The caller's own ids.
    pub correlation: Correlation,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallStatus {
    /// The whole answer was handed to the client.
    Completed,
    /// The upstream answered with an error, or did not answer.
    Failed,
    /// The client went away before the end.
    ClientGone,
    /// The answer was withheld: it could not be opened, or policy forbids it.
    Withheld,
    /// Nobody recorded an outcome: written by the ledger itself when an intent is dropped.
    Abandoned,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The app that called.
    Client,
    /// A rule forbids it.
    Policy,
    /// The key service.
    Kms,
    /// The ledger.
    Ledger,
    /// The model or the store.
    Upstream,
    /// This product.
    Internal,
}

/// An error that ended a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The stable `aios_code`.
    pub code: Word,
    /// Whose fault it is.
    pub blame: Blame,
}

/// What a model call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Tokens of the prompt.
    pub input: Count,
    /// Tokens of the answer.
    pub output: Count,
}

/// Where the time of a call went, in whole microseconds. A part that did not run is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Authentication, parsing, scanning and the decision.
    pub decide: Option<Count>,
    /// Sealing and pseudonyms.
    pub seal: Option<Count>,
    /// Waiting for the intent to be durable.
    pub intent: Option<Count>,
    /// From the first byte forwarded to the last byte received.
    pub upstream: Option<Count>,
    /// Opening and restoring.
    pub open: Option<Count>,
    /// The whole call, up to this record.
    pub total: Option<Count>,
}

/// The second record of a call: what came of it. The record id and the tenant are the intent's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// When the call ended.
    pub time: UnixMillis,
    /// How it ended.
    pub status: CallStatus,
    /// The HTTP status that the client got, or gets once this record is durable.
    pub http_status: Option<u16>,
    /// Why it failed.
    pub error: Option<CallError>,
    /// The obligations that were carried out on the answer, such as `restore`.
    pub obligations: BTreeSet<Word>,
    /// How far each field of the answer was scanned.
    pub coverage: CoverageByField,
    /// What the scan of the answer found.
    pub labels: LabelCounts,
    /// Commits to the bytes that the upstream sent.
    pub response: Option<Commitment>,
    /// How many bytes the upstream sent.
    pub response_bytes: Count,
    /// Tokens, for model calls.
    pub tokens: Option<Tokens>,
    /// The price, in millionths of a US dollar.
    pub cost_microusd: Option<Count>,
    /// Where the time went.
    pub latency: Latency,
}

/// A call that was refused before anything left: one record, for there is nothing to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRecord {
    /// The id that the client's error body carries too.
    pub record: RecordId,
    /// When it was refused.
    pub time: UnixMillis,
    /// The tenant; absent when no credential was verified.
    pub tenant: Option<TenantId>,
    /// The principal; absent when no credential was verified.
    pub principal: Option<Pseudonym>,
    /// What the call was about; absent when it was not recognised.
    pub subject: Option<Subject>,
    /// What the policy said; absent when it was not asked.
    pub decision: Option<Decision>,
    /// What the scan of the request found.
    pub labels: LabelCounts,
    /// The HTTP status that the client gets.
    pub http_status: Option<u16>,
    /// Why it is refused.
    pub error: CallError,
    /// The caller's own ids.
    pub correlation: Correlation,
}

/// Something that is no call: start, stop, a policy load, a key rotation, an operator's action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// When it happened.
    pub time: UnixMillis,
    /// What happened, such as `policy.loaded`.
    pub event: Word,
    /// The tenant that it concerns.
    pub tenant: Option<TenantId>,
    /// Stands for the operator who did it.
    pub principal: Option<Pseudonym>,
    /// Facts about it.
    pub details: BTreeMap<Word, Word>,
}
