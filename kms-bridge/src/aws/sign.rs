//! Signature Version 4 of AWS, for requests to `/` without a query. Pure: the time is an argument.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use core::fmt::Write;

use ring::{digest, hmac};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use vocab::Plain;

use super::keys::AwsKeys;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const STAMP: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// What a signature is valid for, beside the request itself.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Such as `eu-central-1`.
    pub(super) region: &'a str,
    /// Such as `kms`.
    pub(super) service: &'a str,
}

/// A request as far as its signature covers it.
pub(super) struct ToSign<'a> {
    /// Such as `POST`.
    pub(super) method: &'a str,
    /// Lower-case names with their values, `host` and `x-amz-date` among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// All bytes of the body.
    pub(super) body: &'a [u8],
}

/// The value of `x-amz-date`.
pub(super) fn stamp(now: OffsetDateTime) -> String {
    // Formatting fails only for parts that the value does not have.
    now.to_offset(time::UtcOffset::UTC).format(STAMP).unwrap_or_default()
}

/// The value of `authorization`. `stamp` is the one in the headers.
pub(super) fn authorization(keys: &AwsKeys, scope: Scope<'_>, stamp: &str, request: &ToSign<'_>) -> String {
    let mut headers = request.headers.to_vec();
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let date = stamp.get(..8).unwrap_or_default();
    let within = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let canonical = canonical(request, &headers, &names);
    let to_sign = format!("{ALGORITHM}\n{stamp}\n{within}\n{}", hex(sha256(canonical.expose().as_bytes()).as_ref()));
    let signature = hex(mac(&signing_key(keys, date, scope), to_sign.as_bytes()).as_ref());
    format!("{ALGORITHM} Credential={}/{within}, SignedHeaders={names}, Signature={signature}", keys.id())
}

/// The canonical request. It holds the session token where one is sent.
fn canonical(request: &ToSign<'_>, headers: &[(&str, &str)], names: &str) -> Plain<String> {
    let mut text = format!("{}\n/\n\n", request.method);
    for (name, value) in headers {
        text.push_str(name);
        text.push(':');
        text.push_str(value.trim());
        text.push('\n');
    }
    text.push('\n');
    text.push_str(names);
    text.push('\n');
    text.push_str(&hex(sha256(request.body).as_ref()));
    Plain::new(text)
}

/// A key for one day, region and service.
fn signing_key(keys: &AwsKeys, date: &str, scope: Scope<'_>) -> hmac::Key {
    let secret = Plain::new(format!("AWS4{}", keys.secret()));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    for part in [date, scope.region, scope.service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, mac(&key, part.as_bytes()).as_ref());
    }
    key
}

fn mac(key: &hmac::Key, message: &[u8]) -> hmac::Tag {
    hmac::sign(key, message)
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Vector, vectors};
    use time::macros::datetime;

    fn sign(vector: &Vector) -> String {
        let token = vector.find("token").map(|t| Plain::new(t.to_owned()));
        let secret = Plain::new(vector.text("secret").to_owned());
        let keys = AwsKeys::new(vector.text("id").to_owned(), secret, token).unwrap();
        let stamp = stamp(datetime!(2015-08-30 12:36:00 UTC));
        let headers = vector.text("headers");
        let mut headers: Vec<_> = headers.split(" | ").map(|h| h.split_once('=').unwrap()).collect();
        headers.push(("x-amz-date", &stamp));
        if let Some(token) = keys.token() {
            headers.push(("x-amz-security-token", token));
        }
        let body = vector.find("body").unwrap_or_default().as_bytes();
        let request = ToSign { method: vector.text("method"), headers: &headers, body };
        authorization(&keys, Scope { region: "us-east-1", service: "service" }, &stamp, &request)
    }

    #[test]
    fn the_published_vectors_are_met() {
        let vectors = vectors("sigv4.txt");
        assert_eq!(vectors.len(), 6);
        for vector in vectors {
            let authorization = sign(&vector);
            assert!(authorization.ends_with(vector.text("ends")), "{}: {authorization}", vector.text("name"));
            assert!(authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
            ));
        }
    }

    #[test]
    fn stamps_are_in_universal_time() {
        assert_eq!(stamp(datetime!(2026-01-02 01:04:05 +2)), "20260101T230405Z");
    }
}
