//! Calls of the key service, one function an operation.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;
use vocab::Plain;

use super::{
    credentials::Credentials,
    error::{AwsError, name_of},
    http::{Answer, Call, Http, sensitive},
    keys::AwsKeys,
    sign::{self, Scope, ToSign},
    text::{AwsEndpoint, AwsRegion, DeletionWait},
    wire,
};
use crate::{
    names::KekName,
    provider::{DekBytes, Destruction, ProviderError},
    scope::WrapContext,
    wrapping,
};

const KMS: &str = "aws kms";
const JSON: &str = "application/x-amz-json-1.1";
const BAD: AwsError = AwsError::BadAnswer { from: KMS };

/// The key service of one region, as one set of credentials sees it. No operation has a deadline here.
pub(super) struct Service {
    pub(super) http: Arc<Http>,
    pub(super) endpoint: AwsEndpoint,
    pub(super) region: AwsRegion,
    pub(super) credentials: Arc<Credentials>,
}

impl Service {
    /// Makes a key, then its alias. A crash in between, and a race that is lost, leave a key without
    /// an alias, which nothing uses.
    pub(super) async fn create(&self, kek: &KekName) -> Result<(), ProviderError> {
        let alias = wire::alias(kek);
        match self.describe(&alias).await {
            Ok(_) => return Err(ProviderError::KekExists),
            // The look spares an unused key in the rare case; the alias is what decides. Where rights
            // hang on the alias, AWS may refuse to describe one that is not there.
            Err(error) if matches!(error.code(), Some("NotFoundException" | "AccessDeniedException")) => {}
            Err(error) => return Err(error.into()),
        }
        let description = format!("AIOS key-encryption key {kek}");
        let made: wire::KeyAnswer = self.call("CreateKey", &wire::CreateKey { description: &description }).await?;
        let link = wire::CreateAlias { alias_name: &alias, target_key_id: &made.key_metadata.key_id };
        self.done("CreateAlias", &link).await?;
        Ok(())
    }

    pub(super) async fn wrap(
        &self,
        kek: &KekName,
        dek: &DekBytes,
        context: &WrapContext,
    ) -> Result<Vec<u8>, ProviderError> {
        let (alias, plaintext) = (wire::alias(kek), wire::base64(dek.expose()));
        let encryption_context = wire::EncryptionContext::new(context);
        let request = wire::Encrypt { key_id: &alias, plaintext: plaintext.expose(), encryption_context };
        match self.call::<wire::Encrypted>("Encrypt", &request).await {
            Ok(answer) => {
                let blob = answer.blob().ok_or(ProviderError::BadAnswer)?;
                Ok([wrapping::head(context).as_slice(), &blob].concat())
            }
            Err(error) => Err(self.explain(&alias, error).await),
        }
    }

    pub(super) async fn unwrap(
        &self,
        kek: &KekName,
        wrapped: &[u8],
        context: &WrapContext,
    ) -> Result<DekBytes, ProviderError> {
        let blob = wrapping::body(wrapped, context)?;
        if !matches!(blob.len(), 1..=wire::MAX_BLOB) {
            return Err(ProviderError::Corrupt);
        }
        let alias = wire::alias(kek);
        let request = wire::Decrypt {
            key_id: &alias,
            ciphertext_blob: wire::base64_blob(blob),
            encryption_context: wire::EncryptionContext::new(context),
        };
        match self.ask("Decrypt", &request).await {
            Ok(answer) => {
                let answer = serde_json::from_slice::<wire::Decrypted<'_>>(answer.body.expose());
                answer.map_err(|_| ProviderError::BadAnswer)?.dek().ok_or(ProviderError::Corrupt)
            }
            Err(error) => Err(self.explain(&alias, error).await),
        }
    }

    /// Disables a key and schedules its deletion. Of one that waits already, the rest of its wait.
    pub(super) async fn destroy(&self, kek: &KekName, wait: DeletionWait) -> Result<Destruction, ProviderError> {
        let key = self.describe(&wire::alias(kek)).await?;
        if key.key_state.as_deref() == Some("PendingDeletion") {
            let left = key.deletion_date.map(|end| end - unix_seconds(OffsetDateTime::now_utc()));
            let after = left.and_then(|left| Duration::try_from_secs_f64(left.max(0.0)).ok());
            return after.map(|after| Destruction::Scheduled { after }).ok_or(ProviderError::BadAnswer);
        }
        // Two steps, so that a refused second one leaves a key that opens nothing.
        self.done("DisableKey", &wire::OfKey { key_id: &key.key_id }).await?;
        let order = wire::ScheduleKeyDeletion { key_id: &key.key_id, pending_window_in_days: wait.as_days() };
        self.done("ScheduleKeyDeletion", &order).await?;
        Ok(Destruction::Scheduled { after: wait.as_duration() })
    }

    pub(super) async fn describe(&self, key: &str) -> Result<wire::KeyMetadata, AwsError> {
        let answer: wire::KeyAnswer = self.call("DescribeKey", &wire::OfKey { key_id: key }).await?;
        Ok(answer.key_metadata)
    }

    /// What a failed use of a key means. An invalid state may be a switch that somebody turned, or a
    /// key store that is cut off: the state itself tells.
    async fn explain(&self, alias: &str, error: AwsError) -> ProviderError {
        if error.code() != Some("KMSInvalidStateException") {
            return error.into();
        }
        match self.describe(alias).await {
            Ok(key)
                if matches!(key.key_state.as_deref(), Some("Unavailable" | "Creating" | "Updating" | "Enabled")) =>
            {
                ProviderError::Unavailable(Arc::new(error))
            }
            _ => ProviderError::Disabled,
        }
    }

    async fn done(&self, operation: &'static str, request: &impl Serialize) -> Result<(), AwsError> {
        self.ask(operation, request).await.map(drop)
    }

    async fn call<A: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: &impl Serialize,
    ) -> Result<A, AwsError> {
        let answer = self.ask(operation, request).await?;
        serde_json::from_slice(answer.body.expose()).map_err(|_| BAD)
    }

    /// One call, repeated once with fresh credentials when those in hand are refused.
    async fn ask(&self, operation: &'static str, request: &impl Serialize) -> Result<Answer, AwsError> {
        let keys = self.credentials.current().await?;
        match self.once(operation, request, &keys).await {
            Err(error) if error.is_stale() && self.credentials.forget(&keys) => {
                let keys = self.credentials.current().await?;
                self.once(operation, request, &keys).await
            }
            done => done,
        }
    }

    async fn once(
        &self,
        operation: &'static str,
        request: &impl Serialize,
        keys: &AwsKeys,
    ) -> Result<Answer, AwsError> {
        // Room for all we send, so that no growth leaves a copy of a data key behind.
        let mut body = Plain::new(Vec::with_capacity(10 << 10));
        serde_json::to_writer(body.expose_mut(), request).map_err(|_| BAD)?;
        let headers = self.headers(operation, &body, keys).ok_or(BAD)?;
        let call = Call { to: KMS, method: Method::POST, uri: self.endpoint.uri().clone(), headers, body };
        let answer = self.http.exchange(call).await?;
        if answer.status == StatusCode::OK {
            return Ok(answer);
        }
        let named = serde_json::from_slice::<wire::Refusal>(answer.body.expose()).ok().map(|refusal| refusal.kind);
        let code = named.or(answer.error_type).map(|text| name_of(&text)).unwrap_or_default();
        let (status, request, after) = (answer.status, answer.request, answer.after);
        Err(AwsError::Answered { from: KMS, status, code, request, after })
    }

    fn headers(
        &self,
        operation: &str,
        body: &Plain<Vec<u8>>,
        keys: &AwsKeys,
    ) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let stamp = sign::stamp(OffsetDateTime::now_utc());
        let target = format!("TrentService.{operation}");
        let host = self.endpoint.uri().authority()?.as_str();
        let mut signed =
            vec![("content-type", JSON), ("host", host), ("x-amz-date", &stamp), ("x-amz-target", &target)];
        let mut headers = vec![
            (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
            (HeaderName::from_static("x-amz-date"), HeaderValue::from_str(&stamp).ok()?),
            (HeaderName::from_static("x-amz-target"), HeaderValue::from_str(&target).ok()?),
        ];
        if let Some(token) = keys.token() {
            signed.push(("x-amz-security-token", token));
            headers.push((HeaderName::from_static("x-amz-security-token"), sensitive(token)?));
        }
        let request = ToSign { method: "POST", headers: &signed, body: body.expose() };
        let scope = Scope { region: self.region.as_str(), service: "kms" };
        let authorization = sign::authorization(keys, scope, &stamp, &request);
        headers.push((header::AUTHORIZATION, sensitive(&authorization)?));
        Some(headers)
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are below 2^53")]
fn unix_seconds(now: OffsetDateTime) -> f64 {
    now.unix_timestamp() as f64
}
