//! Credentials from the Security Token Service: its query API, which answers in XML.

use std::{path::Path, sync::Arc};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vocab::Plain;

use super::{
    super::{
        error::{AwsError, name_of},
        http::{Call, Http, sensitive},
        keys::AwsKeys,
        sign::{self, Scope, ToSign},
        text::{AwsEndpoint, AwsRegion, RoleArn, SessionName},
    },
    AssumedRole,
};

const STS: &str = "aws sts";
const FORM: &str = "application/x-www-form-urlencoded";
const BAD: AwsError = AwsError::BadAnswer { from: STS };

/// The service, as one call sees it.
pub(super) struct Desk<'a> {
    pub(super) http: &'a Http,
    pub(super) endpoint: &'a AwsEndpoint,
    pub(super) region: &'a AwsRegion,
}

impl Desk<'_> {
    /// Keys of a role for the token in a file. The token is the credential: nothing is signed.
    pub(super) async fn by_web_identity(
        &self,
        role: &RoleArn,
        token_file: &Path,
        session: &SessionName,
    ) -> Result<AwsKeys, AwsError> {
        let token = read_token(token_file).await?;
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.as_str()),
            ("RoleSessionName", session.as_str()),
            ("WebIdentityToken", token.expose()),
        ];
        self.ask(form(&fields), Vec::new()).await
    }

    /// Keys of a role that `base` may assume.
    pub(super) async fn assume(&self, base: &AwsKeys, assumed: &AssumedRole) -> Result<AwsKeys, AwsError> {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", assumed.role.as_str()),
            ("RoleSessionName", assumed.session.as_str()),
        ];
        if let Some(id) = &assumed.external_id {
            fields.push(("ExternalId", id.as_str()));
        }
        let body = form(&fields);
        let headers = self.signed(base, &body).ok_or(BAD)?;
        self.ask(body, headers).await
    }

    fn signed(&self, base: &AwsKeys, body: &Plain<Vec<u8>>) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let stamp = sign::stamp(OffsetDateTime::now_utc());
        let host = self.endpoint.uri().authority()?.as_str();
        let mut signed = vec![("content-type", FORM), ("host", host), ("x-amz-date", &stamp)];
        let mut headers = vec![(HeaderName::from_static("x-amz-date"), HeaderValue::from_str(&stamp).ok()?)];
        if let Some(token) = base.token() {
            signed.push(("x-amz-security-token", token));
            headers.push((HeaderName::from_static("x-amz-security-token"), sensitive(token)?));
        }
        let request = ToSign { method: "POST", headers: &signed, body: body.expose() };
        let scope = Scope { region: self.region.as_str(), service: "sts" };
        let authorization = sign::authorization(base, scope, &stamp, &request);
        headers.push((header::AUTHORIZATION, sensitive(&authorization)?));
        Some(headers)
    }

    async fn ask(
        &self,
        body: Plain<Vec<u8>>,
        mut headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<AwsKeys, AwsError> {
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static(FORM)));
        let call = Call { to: STS, method: Method::POST, uri: self.endpoint.uri().clone(), headers, body };
        let answer = self.http.exchange(call).await?;
        let text = std::str::from_utf8(answer.body.expose()).unwrap_or_default();
        if answer.status != StatusCode::OK {
            let code = element(text, "Code").map(name_of).unwrap_or_default();
            let (status, request, after) = (answer.status, answer.request, answer.after);
            return Err(AwsError::Answered { from: STS, status, code, request, after });
        }
        keys(text).ok_or(BAD)
    }
}

/// The token in a file, without the newline at its end.
pub(super) async fn read_token(path: &Path) -> Result<Plain<String>, AwsError> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|e| AwsError::TokenFile { path: path.to_owned(), source: Arc::new(e) })?;
    let text = Plain::new(text);
    Ok(Plain::new(text.expose().trim_end().to_owned()))
}

fn keys(answer: &str) -> Option<AwsKeys> {
    let credentials = element(answer, "Credentials")?;
    let secret = Plain::new(element(credentials, "SecretAccessKey")?.to_owned());
    let token = Plain::new(element(credentials, "SessionToken")?.to_owned());
    let expires = OffsetDateTime::parse(element(credentials, "Expiration")?, &Rfc3339).ok()?;
    let keys = AwsKeys::new(element(credentials, "AccessKeyId")?.to_owned(), secret, Some(token)).ok()?;
    Some(keys.until(expires))
}

/// What is between the first start tag of this name, without attributes, and its end tag. The
/// elements we read hold letters, digits and `+/=:.-` only; an escape in one is no answer of STS.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (inner, _) = after.split_once(&format!("</{name}>"))?;
    let inner = inner.trim();
    (!inner.contains('&')).then_some(inner)
}

/// A body of form fields. All but unreserved characters are escaped.
fn form(fields: &[(&str, &str)]) -> Plain<Vec<u8>> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let room =
        fields.iter().map(|(name, value)| name.len().saturating_add(value.len().saturating_mul(3))).sum::<usize>();
    // Enough from the start: growing would leave copies of a token behind.
    let mut body = Plain::new(Vec::with_capacity(room.saturating_add(fields.len().saturating_mul(2))));
    let text = body.expose_mut();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push(b'&');
        }
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(byte);
            } else {
                let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
                text.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cannot_add_fields() {
        let body = form(&[("A", "x"), ("B", "a b&C=d/\u{e9}")]);
        assert_eq!(body.expose(), b"A=x&B=a%20b%26C%3Dd%2F%C3%A9");
    }

    #[test]
    fn keys_are_read_and_half_answers_refused() {
        let whole = "<R><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/k+=</SecretAccessKey>\
                     <SessionToken>t==</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></R>";
        let read = keys(whole).unwrap();
        assert_eq!((read.id(), read.secret(), read.token()), ("ASIA1", "s/k+=", Some("t==")));
        for part in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "/Credentials"] {
            assert!(keys(&whole.replace(part, "X")).is_none(), "{part}");
        }
        assert!(keys(&whole.replace("t==", "t&amp;")).is_none());
    }
}
