//! Credentials from the surroundings of a workload: the agent of a container, the metadata service
//! of a virtual machine.

use std::path::Path;

use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vocab::Plain;

use super::super::{
    error::AwsError,
    http::{Call, Http, sensitive},
    keys::AwsKeys,
    text::{BadAwsText, is_loopback},
};

const CONTAINER: &str = "the container's credential agent";
const INSTANCE: &str = "the instance metadata service";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Addresses at which AWS runs agents for containers, reached without TLS.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// The address of a container's credential agent: `https`, or `http` at an address of AWS's agents
/// or of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUrl(Uri);

impl ContainerUrl {
    /// Checks the text and wraps it.
    ///
    /// # Errors
    /// [`BadAwsText`] when it is not such an address.
    pub fn new(text: &str) -> Result<Self, BadAwsText> {
        let bad = BadAwsText::of("an https address, or http at an agent of aws or on loopback");
        let uri: Uri = text.parse().map_err(|_| bad)?;
        let host = uri.host().ok_or(bad)?;
        let user = uri.authority().is_some_and(|a| a.as_str().contains('@'));
        match uri.scheme_str() {
            _ if user => Err(bad),
            Some("https") => Ok(Self(uri)),
            Some("http") if AGENTS.contains(&host) || is_loopback(host) => Ok(Self(uri)),
            _ => Err(bad),
        }
    }
}

/// What both services answer. The container's agent has no `Code`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    code: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

pub(super) async fn of_container(
    http: &Http,
    url: &ContainerUrl,
    token_file: Option<&Path>,
) -> Result<AwsKeys, AwsError> {
    let mut headers = Vec::new();
    if let Some(path) = token_file {
        let token = super::sts::read_token(path).await?;
        let value = sensitive(token.expose()).ok_or(AwsError::BadAnswer { from: "the token file" })?;
        headers.push((header::AUTHORIZATION, value));
    }
    let body = fetch(http, CONTAINER, Method::GET, url.0.clone(), headers).await?;
    keys(CONTAINER, &body)
}

pub(super) async fn of_instance(http: &Http, base: &Uri) -> Result<AwsKeys, AwsError> {
    const BAD: AwsError = AwsError::BadAnswer { from: INSTANCE };
    let ttl = (HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"), HeaderValue::from_static("60"));
    let session = fetch(http, INSTANCE, Method::PUT, at(base, "/latest/api/token").ok_or(BAD)?, vec![ttl]).await?;
    let session = std::str::from_utf8(session.expose()).ok().and_then(sensitive).ok_or(BAD)?;
    let token = || vec![(HeaderName::from_static("x-aws-ec2-metadata-token"), session.clone())];
    let roles = fetch(http, INSTANCE, Method::GET, at(base, ROLES).ok_or(BAD)?, token()).await?;
    let role = std::str::from_utf8(roles.expose()).ok().and_then(|text| text.lines().next()).unwrap_or_default();
    if role.is_empty() {
        return Err(AwsError::NoRole { from: INSTANCE });
    }
    if !role.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)) {
        return Err(BAD);
    }
    let path = at(base, &format!("{ROLES}{role}")).ok_or(BAD)?;
    keys(INSTANCE, &fetch(http, INSTANCE, Method::GET, path, token()).await?)
}

async fn fetch(
    http: &Http,
    to: &'static str,
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
) -> Result<Plain<Vec<u8>>, AwsError> {
    let answer = http.exchange(Call { to, method, uri, headers, body: Plain::new(Vec::new()) }).await?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        StatusCode::NOT_FOUND => Err(AwsError::NoRole { from: to }),
        status => Err(AwsError::Answered {
            from: to,
            status,
            code: String::new(),
            request: answer.request,
            after: answer.after,
        }),
    }
}

fn at(base: &Uri, path: &str) -> Option<Uri> {
    let authority = base.authority()?.as_str();
    Uri::builder().scheme(base.scheme_str()?).authority(authority).path_and_query(path).build().ok()
}

fn keys(from: &'static str, body: &Plain<Vec<u8>>) -> Result<AwsKeys, AwsError> {
    let bad = || AwsError::BadAnswer { from };
    let document: Document = serde_json::from_slice(body.expose()).map_err(|_| bad())?;
    let (secret, token) = (Plain::new(document.secret_access_key), Plain::new(document.token));
    if document.code.is_some_and(|code| code != "Success") {
        return Err(AwsError::NoRole { from });
    }
    let expires = OffsetDateTime::parse(&document.expiration, &Rfc3339).map_err(|_| bad())?;
    let keys = AwsKeys::new(document.access_key_id, secret, Some(token)).map_err(|_| bad())?;
    Ok(keys.until(expires))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_at_known_addresses_or_encrypted() {
        for good in [
            "http://169.254.170.2/v2/x",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.0.0.1:1/",
            "https://agent.example/x",
        ] {
            assert!(ContainerUrl::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://169.254.170.2@agent.example/x",
            "http://agent.example/x",
            "http://169.254.169.254/",
            "/v2/x",
            "http://169.254.170.2evil.example/",
        ] {
            assert!(ContainerUrl::new(bad).is_err(), "{bad}");
        }
    }
}
