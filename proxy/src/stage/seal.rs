//! Seal: carry out the obligations on what leaves. It takes the permit, so that nothing is sealed
//! undecided.

use crate::{
    call::{Call, Typed},
    failure::{Blame, Failure},
    record::Trace,
    sidecar::Sidecar,
    upstream::Upstream,
    vector::{Owner, Prepared},
    wire::openai::{self, ModelCall},
};
use audit_log::Word;
use bytes::Bytes;
use content_guard::{Guarded, LabelSet, PseudonymMap, Pseudonymiser};
use http::StatusCode;
use policy_engine::{Obligations, Permit, Record};
use std::sync::Arc;

/// A call whose outgoing content was made safe under a permit. Only [`seal`] makes one.
pub struct SealedCall {
    upstream: Arc<Upstream>,
    outgoing: Outgoing,
    record: Record,
}

/// What leaves, in the form that its plane's proof has.
pub(crate) enum Outgoing {
    /// A scanned body, with the pseudonyms to restore in the answer.
    Model { endpoint: openai::Endpoint, delivery: openai::Delivery, body: Guarded<Bytes>, map: PseudonymMap },
    /// A request without content; the caller's view of the answer is decided per model.
    Models(Box<Call>),
    /// Sealed vectors and payloads.
    Vector(Box<Prepared>),
}

impl SealedCall {
    pub(crate) const fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    pub(crate) const fn recorded_as(&self) -> Record {
        self.record
    }

    pub(crate) fn into_parts(self) -> (Arc<Upstream>, Outgoing) {
        (self.upstream, self.outgoing)
    }
}

/// Carries out every obligation, or refuses.
///
/// # Errors
/// A [`Failure`]: keys that cannot be had, content that an obligation cannot be carried out on.
pub async fn seal(sidecar: &Sidecar, permit: Permit<Call>, trace: &mut Trace) -> Result<SealedCall, Failure> {
    let began = trace.elapsed();
    let (call, grant) = permit.into_call();
    let terms = grant.obligations();
    if terms.record == Record::Content {
        return Err(unsupported("record = \"content\" is not available yet"));
    }
    let upstream = Arc::clone(&call.upstream);
    let outgoing = match call.request {
        Typed::Model(model) => model_call(sidecar, *model, terms, trace)?,
        Typed::Models => Outgoing::Models(Box::new(call)),
        Typed::Vector(vector) => {
            let owner = Owner {
                tenant: call.caller.tenant().clone(),
                principal: call.caller.principal().clone(),
                upstream: upstream.name().clone(),
            };
            let prepared = sidecar.vectors().prepare(owner, &grant, *vector).await.map_err(|e| Failure::from(&e))?;
            Outgoing::Vector(Box::new(prepared))
        }
    };
    trace.carried_out(terms.lines().iter().map(|line| Word::lossy(line)));
    trace.latency.seal = since(began, trace);
    Ok(SealedCall { upstream, outgoing, record: terms.record })
}

fn model_call(sidecar: &Sidecar, call: ModelCall, terms: &Obligations, trace: &Trace) -> Result<Outgoing, Failure> {
    let demanded: LabelSet = terms
        .pseudonymise
        .iter()
        .map(|label| label.as_str().parse::<content_guard::Label>())
        .collect::<Result<_, _>>()
        .map_err(|_| unsupported("the policy names a label that no detector of this build finds"))?;
    let Some(key) = trace.pseudonym_key() else {
        return Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            Blame::Internal,
            "a stage was left out",
        ));
    };
    let pseudonymiser = Pseudonymiser::new(&key.derive(b"aios pseudonyms v1"));
    let (endpoint, delivery) = (call.endpoint(), call.delivery());
    let (body, map) = call.guard(demanded, &pseudonymiser).map_err(|e| Failure::from(&e))?;
    sidecar.metrics().pseudonyms.inc_by(u64::try_from(map.len()).unwrap_or(u64::MAX));
    Ok(Outgoing::Model { endpoint, delivery, body, map })
}

fn unsupported(message: &'static str) -> Failure {
    Failure::new(StatusCode::NOT_IMPLEMENTED, "obligation_unsupported", Blame::Policy, message)
}

/// The time since an earlier reading of the trace's clock.
pub(crate) fn since(began: Option<audit_log::Count>, trace: &Trace) -> Option<audit_log::Count> {
    let now = trace.elapsed()?.as_u64();
    audit_log::Count::try_from(now.saturating_sub(began?.as_u64())).ok()
}
