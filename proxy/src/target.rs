//! The request target: one canonical path that is routed, decided and forwarded.

use http::{Method, Uri};

/// A parsed origin-form target. Its segments hold no `%`, no backslash and no dot segment, so that
/// no later reader can see another path than the one that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    method: Method,
    path: String,
    query: Option<String>,
}

/// Why a target is refused. The target is not repeated: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// Absolute-form, authority-form or asterisk-form.
    #[error("the request target must be a path")]
    NotOriginForm,
    /// Encoded, doubled or dotted parts.
    #[error("the request path must be canonical: no '%', '\\', '//', '.' or '..' segment")]
    NotCanonical,
    /// The same query parameter twice.
    #[error("a query parameter is repeated")]
    RepeatedParameter,
}

impl Target {
    /// Parses what the client wrote on the request line.
    ///
    /// # Errors
    /// [`TargetError`] when two readers could disagree about the target.
    pub(crate) fn parse(method: Method, uri: &Uri) -> Result<Self, TargetError> {
        if uri.scheme().is_some() || uri.authority().is_some() || !uri.path().starts_with('/') {
            return Err(TargetError::NotOriginForm);
        }
        let path = uri.path().strip_prefix('/').unwrap_or_default();
        let plain = path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'%' | b'\\' | b';'));
        let body = path.strip_suffix('/').unwrap_or(path);
        let segmented = path.is_empty() || body.split('/').all(|s| !matches!(s, "" | "." | ".."));
        if !plain || !segmented {
            return Err(TargetError::NotCanonical);
        }
        if let Some(query) = uri.query() {
            let mut names: Vec<&str> = query.split('&').map(|p| p.split('=').next().unwrap_or(p)).collect();
            names.sort_unstable();
            if names.windows(2).any(|pair| pair.first() == pair.last()) {
                return Err(TargetError::RepeatedParameter);
            }
        }
        Ok(Self { method, path: body.to_owned(), query: uri.query().map(str::to_owned) })
    }

    /// The method.
    #[must_use]
    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    /// The segments of the path; none for `/`.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|s| !s.is_empty())
    }

    /// The query, undecoded; no parameter occurs twice.
    #[must_use]
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The first segment, and the target without it.
    #[must_use]
    pub(crate) fn split_first(self) -> Option<(String, Self)> {
        let (first, rest) = match self.path.split_once('/') {
            Some((first, rest)) => (first.to_owned(), rest.to_owned()),
            None if self.path.is_empty() => return None,
            None => (self.path, String::new()),
        };
        Some((first, Self { method: self.method, path: rest, query: self.query }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(Method::GET, &text.parse().unwrap())
    }

    #[test]
    fn the_first_segment_is_the_upstream() {
        let (first, rest) = parse("/vectors/collections/deeds?wait=true").unwrap().split_first().unwrap();
        assert_eq!(first, "vectors");
        assert_eq!(rest.segments().collect::<Vec<_>>(), ["collections", "deeds"]);
        assert_eq!(rest.query(), Some("wait=true"));
        let (first, rest) = parse("/vectors/").unwrap().split_first().unwrap();
        assert_eq!((first.as_str(), rest.segments().count()), ("vectors", 0));
        assert!(parse("/").unwrap().split_first().is_none());
    }

    #[test]
    fn paths_that_two_readers_could_read_differently_are_refused() {
        for path in [
            "//admin",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/..",
            "/a%2fb",
            "/a%2e%2e/b",
            "/%61",
            "/a\\b",
            "/a;x=1/b",
            "/a//",
        ] {
            assert_eq!(parse(path), Err(TargetError::NotCanonical), "{path}");
        }
        assert_eq!(parse("http://other.test/v1/models"), Err(TargetError::NotOriginForm));
        assert_eq!(parse("/a?wait=true&wait=false"), Err(TargetError::RepeatedParameter));
    }
}
