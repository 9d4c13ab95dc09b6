//! What is known of a call while it runs, and the ledger records that are made of it.

use crate::{
    answer::AnswerBody,
    call::{Call, Typed},
    failure::{Dialect, Failure},
    identity::Caller,
    metrics::CallLabels,
    pipeline::Reply,
    sidecar::Sidecar,
    spend::{Booking, Made},
    upstream::Upstream,
};
use audit_log::{
    Blame, CallError, CallStatus, Compared, Correlation, Count, Coverage, CoverageByField, Decision, IntentRecord,
    LabelCounts, Latency, OutcomeRecord, Pseudonym, RefusalRecord, Salt, Subject, Tokens, UnixMillis, Word,
};
use http::{HeaderName, HeaderValue, Response};
use kms_bridge::{Dek, DekScope, Purpose};
use policy_engine::{Action, Difference, Policies, PolicyDigest, Query, Record, Resource, RuleId, Shadow};
use ring::rand::{SecureRandom, SystemRandom};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Instant, SystemTime},
};
use vocab::{RecordId, TenantId};

/// The header that names the record of a call.
pub(crate) const RECORD_HEADER: HeaderName = HeaderName::from_static("x-aios-record");

/// What is known of a call so far. Every stage adds to it; each record is made of it.
pub struct Trace {
    started: Instant,
    time: UnixMillis,
    record: RecordId,
    upstream: Option<Arc<Upstream>>,
    caller: Option<Known>,
    subject: Option<Subject>,
    action: Option<Action>,
    decision: Option<Decision>,
    coverage: CoverageByField,
    labels: LabelCounts,
    pub(crate) latency: Latency,
    booking: Option<Booking>,
}

/// A verified caller, as records name it, with the key of the tenant's pseudonyms.
struct Known {
    tenant: TenantId,
    principal: Pseudonym,
    salt: Salt,
    key: Arc<Dek>,
}

impl Trace {
    pub(crate) fn begin() -> Self {
        Self {
            started: Instant::now(),
            time: now(),
            record: fresh_record_id(),
            upstream: None,
            caller: None,
            subject: None,
            action: None,
            decision: None,
            coverage: CoverageByField::new(),
            labels: LabelCounts::new(),
            latency: Latency::default(),
            booking: None,
        }
    }

    /// Microseconds since the call began.
    pub(crate) fn elapsed(&self) -> Option<Count> {
        Count::try_from(self.started.elapsed().as_micros()).ok()
    }

    pub(crate) fn upstream(&mut self, upstream: &Arc<Upstream>) {
        self.upstream = Some(Arc::clone(upstream));
    }

    /// Notes the caller. The record names the principal by a pseudonym under the tenant's own key.
    ///
    /// # Errors
    /// When that key cannot be had: a call that cannot be recorded is not made.
    pub(crate) async fn caller(&mut self, sidecar: &Sidecar, caller: &Caller) -> Result<(), Failure> {
        let scope = DekScope { tenant: caller.tenant().clone(), purpose: Purpose::Pseudonym, collection: None };
        let key = sidecar.keys().sealing(&scope).await.map_err(|e| Failure::from(&e))?;
        let principals = key.derive(b"aios ledger principal v1");
        let salts = key.derive(b"aios ledger salt v1");
        self.caller = Some(Known {
            tenant: caller.tenant().clone(),
            principal: Pseudonym::derive(principals.expose(), caller.tenant(), caller.principal()),
            salt: Salt::derive(salts.expose(), &self.record),
            key,
        });
        Ok(())
    }

    pub(crate) fn call(&mut self, call: &Call) {
        let (model, collection) = match &call.resource {
            Resource::Model { model, .. } => (Some(model.clone()), None),
            Resource::Collection { collection, .. } => (None, Some(collection.clone())),
            Resource::Models { .. } | Resource::Collections { .. } | Resource::Ledger => (None, None),
        };
        self.action = Some(call.action);
        self.subject = Some(Subject {
            action: Word::literal(call.action.as_str()),
            resource: Word::lossy(&call.resource.to_string()),
            upstream: Some(call.upstream.name().clone()),
            region: call.upstream.region().map(|r| Word::lossy(r.as_str())),
            model,
            collection,
        });
        if let Typed::Model(model) = &call.request {
            for field in model.coverage().fields() {
                let status = match field.status {
                    content_guard::Status::Scanned(_) => Coverage::Scanned,
                    content_guard::Status::NotScannable => Coverage::NotScannable,
                };
                self.coverage.insert(Word::lossy(field.field), status);
            }
            for (label, count) in model.counts().iter() {
                self.labels.insert(Word::literal(label.as_str()), Count::from(count));
            }
        }
    }

    /// Notes what the policy said, what it read, and what another policy would have said.
    pub(crate) fn decided(
        &mut self,
        policies: &Policies,
        query: &Query<'_>,
        (digest, rules, shadow): (&PolicyDigest, &[RuleId], &[Shadow]),
        difference: Option<Difference>,
    ) {
        self.latency.decide = self.elapsed();
        self.decision = Some(Decision {
            policy: Word::lossy(digest.as_str()),
            rules: rules.iter().map(|rule| Word::lossy(rule.as_str())).collect(),
            obligations: BTreeSet::new(),
            facts: facts(policies, query),
            shadow: shadow.iter().map(|s| Word::lossy(&format!("{}:{}", s.rule, s.would.as_str()))).collect(),
            compared: difference.map(|difference| Compared {
                change: Word::literal(difference.change.as_str()),
                policy: Word::lossy(difference.other.as_str()),
                reason: difference.other_reason.map(|reason| Word::literal(reason.code())),
            }),
        });
    }

    /// Notes what was booked under budgets and limits.
    pub(crate) fn booked(&mut self, booking: Option<Booking>) {
        self.booking = booking;
    }

    /// Notes an obligation that was carried out before anything leaves.
    pub(crate) fn carried_out(&mut self, obligations: impl IntoIterator<Item = Word>) {
        if let Some(decision) = &mut self.decision {
            decision.obligations.extend(obligations);
        }
    }

    pub(crate) const fn record(&self) -> &RecordId {
        &self.record
    }

    /// The salt of this call's commitments; `None` where the policy wants none of them.
    pub(crate) fn salt(&self, wanted: Record) -> Option<&Salt> {
        match wanted {
            Record::None => None,
            Record::Digest | Record::Content => self.caller.as_ref().map(|known| &known.salt),
        }
    }

    /// The key of the tenant's pseudonyms.
    pub(crate) fn pseudonym_key(&self) -> Option<&Arc<Dek>> {
        self.caller.as_ref().map(|known| &known.key)
    }

    /// The first record of the call; `None` if a stage was left out.
    pub(crate) fn intent(&self, request: Option<audit_log::Commitment>, bytes: usize) -> Option<IntentRecord> {
        let known = self.caller.as_ref()?;
        Some(IntentRecord {
            record: self.record.clone(),
            time: self.time,
            tenant: known.tenant.clone(),
            principal: known.principal.clone(),
            subject: self.subject.clone()?,
            decision: self.decision.clone()?,
            coverage: self.coverage.clone(),
            labels: self.labels.clone(),
            request,
            request_bytes: Count::try_from(bytes).unwrap_or_default(),
            correlation: Correlation::default(),
        })
    }

    /// The second record of the call.
    pub(crate) fn outcome(&self, ending: &Ending) -> OutcomeRecord {
        OutcomeRecord {
            time: now(),
            status: ending.status,
            http_status: Some(ending.http_status),
            error: ending.failure.as_ref().map(call_error),
            obligations: ending.obligations.clone(),
            coverage: CoverageByField::new(),
            labels: LabelCounts::new(),
            response: ending.response,
            response_bytes: Count::try_from(ending.response_bytes).unwrap_or_default(),
            tokens: ending.tokens,
            cost_microusd: None,
            latency: Latency { total: self.elapsed(), ..self.latency },
        }
    }

    /// Counts the call, and books what it used.
    pub(crate) fn end(self, sidecar: &Sidecar, outcome: &'static str, made: Made) {
        if let Some(booking) = self.booking {
            sidecar.spend().settle(booking, made);
        }
        let upstream = self.upstream.as_ref().map_or_else(String::new, |u| u.name().to_string());
        let action = self.action.map_or("none", Action::as_str);
        let metrics = sidecar.metrics();
        metrics.calls.get_or_create(&CallLabels { upstream, action, outcome }).inc();
        metrics.observe("total", self.started.elapsed());
    }
}

/// How a call ended, for its second record.
pub(crate) struct Ending {
    pub(crate) status: CallStatus,
    pub(crate) http_status: u16,
    pub(crate) failure: Option<Failure>,
    pub(crate) obligations: BTreeSet<Word>,
    pub(crate) response: Option<audit_log::Commitment>,
    pub(crate) response_bytes: usize,
    pub(crate) tokens: Option<Tokens>,
}

/// What the policy read and the record does not hold elsewhere.
fn facts(policies: &Policies, query: &Query<'_>) -> audit_log::Facts {
    let set = policies.for_principal(query.tenant, query.principal);
    let count = |tokens: u64| Count::try_from(tokens).ok();
    audit_log::Facts {
        groups: query.groups.iter().map(|group| Word::lossy(group.as_str())).collect(),
        roles: set.roles_held(query).map(|role| Word::lossy(role.as_str())).collect(),
        trust: query.facts.upstream_trust.as_ref().map(|trust| Word::lossy(trust.as_str())),
        purpose: query.facts.purpose.as_ref().map(|purpose| Word::lossy(purpose.as_str())),
        tokens: count(query.facts.token_estimate).filter(|tokens| tokens.as_u64() > 0),
        k: query.facts.k.map(Count::from),
    }
}

fn call_error(failure: &Failure) -> CallError {
    use crate::failure::Blame as Ours;
    let blame = match failure.blame {
        Ours::Client => Blame::Client,
        Ours::Policy => Blame::Policy,
        Ours::Kms => Blame::Kms,
        Ours::Ledger => Blame::Ledger,
        Ours::Upstream => Blame::Upstream,
        Ours::Internal => Blame::Internal,
    };
    CallError { code: Word::literal(failure.code), blame }
}

/// The clock of the records.
pub(crate) fn now() -> UnixMillis {
    UnixMillis::try_from(SystemTime::now()).unwrap_or(UnixMillis::new(Count::default()))
}

/// 128 random bits in hex; the clock and a counter where the system gives no randomness, since an id
/// must be unique, not secret.
fn fresh_record_id() -> RecordId {
    let mut bytes = [0_u8; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        bytes = (nanos ^ (u128::from(count) << 64)).to_be_bytes();
    }
    RecordId::from_bits(u128::from_be_bytes(bytes))
}

/// Ends a call of which nothing has left: records the refusal where the caller is known, answers.
///
/// A request without a verified credential is counted and logged, not recorded: anybody could fill
/// the ledger otherwise.
pub(crate) async fn refuse(sidecar: &Sidecar, trace: Trace, dialect: Dialect, failure: Failure, reply: Reply) {
    let mut failure = failure;
    let mut recorded = false;
    if let Some(known) = &trace.caller {
        let record = RefusalRecord {
            record: trace.record.clone(),
            time: trace.time,
            tenant: Some(known.tenant.clone()),
            principal: Some(known.principal.clone()),
            subject: trace.subject.clone(),
            decision: trace.decision.clone(),
            labels: trace.labels.clone(),
            http_status: Some(failure.status.as_u16()),
            error: call_error(&failure),
            correlation: Correlation::default(),
        };
        match sidecar.ledger().refusal(record).await {
            Ok(_) => recorded = true,
            Err(error) => {
                tracing::error!(%error, "a refusal could not be recorded");
                failure = Failure::from(&error);
            }
        }
    }
    let answer = failed(&trace, dialect, &failure, recorded);
    trace.end(sidecar, failure.code, Made::No);
    let _ = reply.send(answer);
}

/// An error answer in the caller's dialect, naming its record where one was written.
pub(crate) fn failed(trace: &Trace, dialect: Dialect, failure: &Failure, recorded: bool) -> Response<AnswerBody> {
    let id = recorded.then(|| trace.record.as_str());
    let mut answer = dialect.answer(failure, id).map(AnswerBody::from);
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        answer.headers_mut().insert(RECORD_HEADER, value);
    }
    answer
}
