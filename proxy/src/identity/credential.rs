//! The one credential of a request.

use super::error::AuthError;
use http::{HeaderMap, HeaderValue, header};

/// The headers in which SDKs send their credential. None of them is ever forwarded.
pub const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-chroma-token"];

/// Finds the credential. Several headers may carry it if they carry the same one.
///
/// # Errors
/// [`AuthError::Missing`], [`AuthError::Ambiguous`] or [`AuthError::Malformed`].
pub(super) fn credential(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut found: Option<&str> = None;
    for name in CREDENTIAL_HEADERS {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(AuthError::Ambiguous);
        }
        let credential = if name == header::AUTHORIZATION.as_str() { bearer(value)? } else { visible(value)? };
        match found {
            Some(other) if other != credential => return Err(AuthError::Ambiguous),
            _ => found = Some(credential),
        }
    }
    found.ok_or(AuthError::Missing)
}

/// RFC 6750: `Bearer`, in any case, one or more spaces, the token.
fn bearer(value: &HeaderValue) -> Result<&str, AuthError> {
    let text = value.to_str().map_err(|_| AuthError::Malformed("it has characters beyond visible ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => one_word(rest.trim_start_matches(' ')),
        _ => Err(AuthError::Malformed("authorization must be 'Bearer' and a token")),
    }
}

fn visible(value: &HeaderValue) -> Result<&str, AuthError> {
    one_word(value.to_str().map_err(|_| AuthError::Malformed("it has characters beyond visible ASCII"))?)
}

/// A comma would let a proxy's joined headers pass as one credential.
fn one_word(text: &str) -> Result<&str, AuthError> {
    if text.is_empty() {
        return Err(AuthError::Malformed("it is empty"));
    }
    if text.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        Ok(text)
    } else {
        Err(AuthError::Malformed("it has a space or a comma"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn each_place_and_spelling_is_read() {
        for (name, value) in [
            ("Authorization", "Bearer abc"),
            ("authorization", "bearer  abc"),
            ("AUTHORIZATION", "BEARER abc"),
            ("x-api-key", "abc"),
            ("Api-Key", "abc"),
            ("X-Chroma-Token", "abc"),
        ] {
            assert_eq!(credential(&headers(&[(name, value)])).unwrap(), "abc", "{name}: {value}");
        }
        assert_eq!(credential(&headers(&[("api-key", "abc"), ("authorization", "Bearer abc")])).unwrap(), "abc");
    }

    #[test]
    fn none_is_missing() {
        assert!(matches!(credential(&headers(&[("x-tenant", "acme"), ("cookie", "k=v")])), Err(AuthError::Missing)));
    }

    #[test]
    fn two_are_refused() {
        for list in [
            [("authorization", "Bearer abc"), ("api-key", "other")],
            [("x-api-key", "abc"), ("x-chroma-token", "other")],
            [("authorization", "Bearer abc"), ("authorization", "Bearer abc")],
            [("api-key", "abc"), ("Api-Key", "other")],
        ] {
            assert!(matches!(credential(&headers(&list)), Err(AuthError::Ambiguous)), "{list:?}");
        }
    }

    #[test]
    fn what_is_no_credential_is_malformed() {
        for (name, value) in [
            ("authorization", "Basic YTpi"),
            ("authorization", "abc"),
            ("authorization", "Bearer"),
            ("authorization", "Bearer "),
            ("authorization", "Bearer a, Bearer b"),
            ("authorization", "Bearer a,b"),
            ("api-key", ""),
            ("api-key", "a b"),
            ("api-key", "gehèim"),
        ] {
            let sent = headers(&[(name, value)]);
            let refused = credential(&sent);
            assert!(matches!(refused, Err(AuthError::Malformed(_))), "{name}: {value}: {refused:?}");
        }
    }
}
