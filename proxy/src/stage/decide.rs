//! Decide: the policy is asked about every call, also where nothing was found in it.

use crate::{call::Call, failure::Failure, record::Trace, sidecar::Sidecar};
use policy_engine::{Permit, Refused};

/// Gives the proof that the policy allows the call.
///
/// # Errors
/// The denial, with the rule that decided where there is one.
pub(crate) fn decide(sidecar: &Sidecar, call: Call, trace: &mut Trace) -> Result<Permit<Call>, Failure> {
    match sidecar.policy().decide(call) {
        Ok(permit) => {
            trace.allowed(permit.digest(), permit.matched());
            Ok(permit)
        }
        Err(Refused { denial, .. }) => {
            trace.denied(&denial);
            Err(Failure::from(&denial))
        }
    }
}
