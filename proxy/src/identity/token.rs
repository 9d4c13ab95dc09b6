//! A JSON Web Token: what is read before its signature is checked, and what is believed after.

use super::{
    caller::{Caller, CredentialKind, UnixSeconds, Verified},
    config::{Algorithm, IssuerConfig},
    error::AuthError,
    strict_json::StrictObject,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, Validation, errors::ErrorKind};
use policy_engine::{Claim, ClaimName, ClaimValue};
use serde_json::Value;
use std::{collections::HashSet, sync::Arc};
use vocab::{GroupName, PrincipalId, TenantId};

/// Longest token that is read.
const LIMIT: usize = 8 << 10;

/// Members of a header that would let a token choose its own key, or change how it is read.
const FORBIDDEN: [&str; 8] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip"];

/// A token of which nothing is believed yet; it says which issuer and key to check it with.
pub(super) struct Unverified<'a> {
    text: &'a str,
    pub(super) issuer: String,
    pub(super) algorithm: &'static str,
    pub(super) key_id: Option<String>,
}

/// A caller, and until when its token is good, leeway included.
pub(super) struct Accepted {
    pub(super) caller: Caller,
    pub(super) until: UnixSeconds,
}

impl<'a> Unverified<'a> {
    /// Reads header and issuer.
    ///
    /// # Errors
    /// [`AuthError::Malformed`], [`AuthError::AlgorithmNotAllowed`] or [`AuthError::BadClaim`].
    pub(super) fn read(text: &'a str) -> Result<Self, AuthError> {
        if text.len() > LIMIT {
            return Err(AuthError::Malformed("it is longer than 8 KiB"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(AuthError::Malformed("it is neither a token of three parts nor an API key"));
        };
        let header = object(header)?;
        if FORBIDDEN.iter().any(|name| header.get(name).is_some()) {
            return Err(AuthError::Malformed("its header names a key of its own or an extension"));
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(known_algorithm);
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= 512 => Some(id.clone()),
            Some(_) => {
                return Err(AuthError::Malformed("its key id is not a text of at most 512 bytes"));
            }
        };
        let issuer = object(claims)?.get("iss").and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            text,
            issuer: issuer.ok_or(AuthError::BadClaim("issuer"))?,
            algorithm: algorithm.ok_or(AuthError::AlgorithmNotAllowed)?,
            key_id,
        })
    }

    /// The algorithm, if the issuer's configuration names it.
    pub(super) fn allowed(&self, config: &IssuerConfig) -> Result<Algorithm, AuthError> {
        Algorithm::from_name(self.algorithm)
            .filter(|algorithm| config.algorithms.contains(algorithm))
            .ok_or(AuthError::AlgorithmNotAllowed)
    }

    /// Checks signature, issuer, audience and times, and reads the claims that make a caller.
    ///
    /// # Errors
    /// Each [`AuthError`] that says what is wrong with a token.
    pub(super) fn verify(
        &self,
        config: &IssuerConfig,
        algorithm: Algorithm,
        key: &DecodingKey,
        now: UnixSeconds,
    ) -> Result<Accepted, AuthError> {
        let mut validation = Validation::new(algorithm.jsonwebtoken());
        validation.required_spec_claims = HashSet::from(["iss", "aud", "exp", "sub"].map(str::to_owned));
        validation.set_issuer(&[&*config.issuer]);
        validation.set_audience(&[&config.audience]);
        // Times are compared below, with the clock that the caller of this function gives.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims =
            jsonwebtoken::decode::<StrictObject>(self.text, key, &validation).map_err(|e| refused(e.kind()))?;
        accepted(config, &claims.claims, now)
    }
}

fn object(part: &str) -> Result<StrictObject, AuthError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed("a part of it is not base64url"))?;
    serde_json::from_slice(&bytes)
        .map_err(|_| AuthError::Malformed("a part of it is not a JSON object with unique members"))
}

fn known_algorithm(name: &str) -> Option<&'static str> {
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
        .into_iter()
        .find(|known| *known == name)
}

fn refused(kind: &ErrorKind) -> AuthError {
    match kind {
        ErrorKind::InvalidSignature => AuthError::BadSignature,
        ErrorKind::InvalidAudience => AuthError::WrongAudience,
        ErrorKind::InvalidIssuer => AuthError::UnknownIssuer,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm | ErrorKind::InvalidAlgorithmName => {
            AuthError::AlgorithmNotAllowed
        }
        ErrorKind::InvalidKeyFormat => AuthError::UnknownKey,
        ErrorKind::MissingRequiredClaim(claim) => AuthError::BadClaim(match claim.as_str() {
            "exp" => "expiry",
            "aud" => "audience",
            "sub" => "subject",
            _ => "issuer",
        }),
        _ => AuthError::Malformed("it cannot be decoded"),
    }
}

fn accepted(config: &IssuerConfig, claims: &StrictObject, now: UnixSeconds) -> Result<Accepted, AuthError> {
    let ends = seconds(claims.get("exp")).ok_or(AuthError::BadClaim("expiry"))?;
    let until = ends.after(config.leeway_s);
    if now >= until {
        return Err(AuthError::Expired);
    }
    if let Some(value) = claims.get("nbf") {
        let begins = seconds(Some(value)).ok_or(AuthError::BadClaim("not-before time"))?;
        if begins > now.after(config.leeway_s) {
            return Err(AuthError::NotYetValid);
        }
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let principal = text("sub").and_then(|t| PrincipalId::new(t).ok()).ok_or(AuthError::BadClaim("subject"))?;
    let tenant =
        text(&config.tenant_claim).and_then(|t| TenantId::new(t).ok()).ok_or(AuthError::BadClaim("tenant claim"))?;
    let groups = groups(claims.get(&config.groups_claim)).ok_or(AuthError::BadClaim("groups claim"))?;
    let claims = policy_claims(&config.policy_claims, claims).ok_or(AuthError::BadClaim("claim for policies"))?;
    let credential = CredentialKind::Token { issuer: Arc::clone(&config.issuer) };
    Ok(Accepted { caller: Caller::new(Verified { tenant, principal, groups, claims, credential }), until })
}

/// A NumericDate: seconds since the epoch, perhaps with a fraction, which is dropped.
fn seconds(value: Option<&Value>) -> Option<UnixSeconds> {
    let number = value?.as_number()?;
    if let Some(whole) = number.as_u64() {
        return Some(UnixSeconds::new(whole));
    }
    let text = number.as_f64().filter(|n| n.is_finite() && (0.0..1e15).contains(n))?.trunc().to_string();
    text.parse().ok().map(UnixSeconds::new)
}

/// Absent is none. A group that is no valid name is an error: leaving it out could drop a denial that
/// a policy ties to it.
fn groups(value: Option<&Value>) -> Option<Vec<GroupName>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| GroupName::new(item.as_str()?).ok()).collect(),
        Some(_) => None,
    }
}

/// The claims that policies may read: a text is one, a list of texts is several, absent is none. Any other
/// value is an error, as for groups.
fn policy_claims(names: &[ClaimName], claims: &StrictObject) -> Option<Vec<Claim>> {
    let mut found = Vec::new();
    for name in names {
        let values = match claims.get(name.as_str()) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        for value in values {
            found.push(Claim { name: name.clone(), value: ClaimValue::new(value.as_str()?).ok()? });
        }
    }
    Some(found)
}
