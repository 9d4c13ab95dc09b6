//! Decide: the policy is asked about every call, also where nothing was found in it.

use crate::{call::Call, failure::Failure, record::Trace, sidecar::Sidecar};
use policy_engine::{Governed, Permit, Refused, Staged};

/// Gives the proof that the policy allows the call.
///
/// # Errors
/// The denial, with the rule that decided where there is one.
pub(crate) fn decide(sidecar: &Sidecar, mut call: Call, trace: &mut Trace) -> Result<Permit<Call>, Failure> {
    let policies = sidecar.policies();
    call.facts.spend = sidecar.spend().seen(&policies, &call);
    let Staged { decided, difference } = policies.decide(call);
    if let Some(difference) = &difference {
        sidecar.metrics().policy_difference(difference.change);
    }
    match decided {
        Ok(permit) => {
            let query = permit.call().query();
            trace.decided(&policies, &query, (permit.digest(), permit.matched(), permit.shadow()), difference);
            trace.booked(sidecar.spend().reserve(&policies, &permit)?);
            Ok(permit)
        }
        Err(Refused { call, denial }) => {
            trace.decided(&policies, &call.query(), (&denial.digest, &denial.matched, &denial.shadow), difference);
            Err(Failure::from(&denial))
        }
    }
}
