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
use policy_engine::{ObligationKind, Obligations, Permit, Record, Resource};
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
    for kind in terms.kinds() {
        carried_out(kind, Surface::of(&call.request), &call.resource, terms).map_err(unsupported)?;
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

/// What a call carries, as far as obligations matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Surface {
    /// Scanned texts.
    Texts,
    /// Vectors and payloads, which are sealed and not scanned.
    Vectors,
    /// Nothing of the caller's.
    Nothing,
}

impl Surface {
    const fn of(request: &Typed) -> Self {
        match request {
            Typed::Model(_) => Self::Texts,
            Typed::Models => Self::Nothing,
            Typed::Vector(_) => Self::Vectors,
        }
    }
}

/// Whether this proxy carries an obligation out on such a call, or the decision has upheld it. An obligation that
/// is neither refuses the call: none is ever ignored.
fn carried_out(
    kind: ObligationKind,
    surface: Surface,
    resource: &Resource,
    terms: &Obligations,
) -> Result<(), &'static str> {
    use ObligationKind as Kind;
    match (kind, surface) {
        // Upheld by the decision, on the facts of this very call and on what was booked.
        (Kind::Residency | Kind::MaxK | Kind::Limit | Kind::Budget, _) | (Kind::Block, Surface::Texts) => Ok(()),
        (Kind::Block | Kind::Redact | Kind::Pseudonymise | Kind::Encrypt | Kind::Filterable, Surface::Nothing) => {
            Ok(())
        }
        (Kind::Pseudonymise, Surface::Texts) | (Kind::Encrypt | Kind::Filterable, Surface::Vectors) => Ok(()),
        (Kind::Block, Surface::Vectors) => Err("block cannot be kept for vector stores: their content is not scanned"),
        (Kind::Pseudonymise, Surface::Vectors) => {
            Err("pseudonymise is not available for vector stores: their content is sealed instead")
        }
        (Kind::Encrypt, Surface::Texts) => Err("encrypt is not available for models"),
        (Kind::Filterable, Surface::Texts) => Err("filterable is not available for models"),
        (Kind::Redact, _) => Err("redact is not available yet"),
        (Kind::PublicFields, _) => Err("public_fields is not available yet"),
        (Kind::RangeBuckets, _) => Err("range_buckets is not available yet"),
        (Kind::RequireApproval, _) => Err("require_approval is not available yet"),
        (Kind::Route, _) if terms.route_admits(resource) => Ok(()),
        (Kind::Route, _) => Err("route to another model is not available yet"),
        (Kind::Record, _) if terms.record == Record::Content => Err("record = \"content\" is not available yet"),
        (Kind::Record, _) => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use policy_engine::{Action, Document, Facts, Governed, PolicySet, Query};
    use vocab::{PrincipalId, TenantId};

    #[derive(Debug)]
    struct Asked {
        tenant: TenantId,
        principal: PrincipalId,
        action: Action,
        resource: Resource,
        facts: Facts,
    }

    impl Governed for Asked {
        fn query(&self) -> Query<'_> {
            Query {
                tenant: &self.tenant,
                principal: &self.principal,
                groups: &[],
                claims: &[],
                action: self.action,
                resource: &self.resource,
                facts: &self.facts,
            }
        }
    }

    /// What the proxy says to the terms of one rule.
    fn verdict(surface: Surface, then: &str) -> Result<(), &'static str> {
        let text = format!(
            "version = 1\ntenant = \"acme\"\n[budgets]\nb = {{ tokens = 1000, per = \"day\" }}\n[approvals]\n\
             a = {{ roles = \"everyone\" }}\n[[rule]]\nid = \"r\"\nallow = \"*\"\nroles = \"everyone\"\non = \"**\"\n\
             then = {{ {then} }}\n"
        );
        let set = PolicySet::compile(&[Document { name: "p.toml".into(), text }]).expect("a policy");
        let (action, resource) = match surface {
            Surface::Texts => (Action::ModelChat, "model/eu/m"),
            Surface::Nothing => (Action::ModelList, "model/eu"),
            Surface::Vectors => (Action::VectorSearch, "vector/db/c"),
        };
        let tenant = TenantId::new("acme").expect("a tenant");
        let principal = PrincipalId::new("u").expect("a principal");
        let mut facts = Facts { upstream_region: "eu".parse().ok(), ..Facts::default() };
        for budget in set.accounts(&tenant).expect("accounts").budgets.keys() {
            facts.spend.budgets.insert(budget.clone(), 0);
        }
        for meter in &set.accounts(&tenant).expect("accounts").meters {
            facts.spend.meters.insert(*meter, 0);
        }
        let resource = resource.parse::<Resource>().expect("a resource");
        let permit = set.decide(Asked { tenant, principal, action, resource, facts }).expect("an allowed call");
        let (asked, terms) = (&permit.call().resource, permit.obligations());
        terms.kinds().try_for_each(|kind| carried_out(kind, surface, asked, terms))
    }

    #[test]
    fn an_obligation_is_carried_out_or_refuses_the_call() {
        use Surface::{Nothing, Texts, Vectors};
        let all = [Texts, Vectors, Nothing];
        for (then, carried) in [
            ("record = \"digest\"", &all[..]),
            ("record = \"content\"", &[]),
            ("pseudonymise = [\"pii.email\"]", &[Texts, Nothing]),
            ("block = [\"pii.email\"]", &[Texts, Nothing]),
            ("redact = [\"pii.email\"]", &[Nothing]),
            ("encrypt = \"preserving\"", &[Vectors, Nothing]),
            ("filterable = [\"year\"]", &[Vectors, Nothing]),
            ("public_fields = [\"year\"]", &[]),
            ("range_buckets = { year = 10 }", &[]),
            ("residency = \"eu\"", &all[..]),
            ("max_k = 10", &all[..]),
            ("limit = { tokens = 10, per = \"call\" }", &all[..]),
            ("limit = { tokens = 10, per = \"day\" }", &all[..]),
            ("budget = \"b\"", &all[..]),
            ("route = \"model/eu\"", &[Texts, Nothing]),
            ("route = \"model/us\"", &[]),
        ] {
            for surface in all {
                assert_eq!(verdict(surface, then).is_ok(), carried.contains(&surface), "{then}");
            }
        }
    }
}
