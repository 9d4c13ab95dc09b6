//! The checked parts of a configuration.

use core::fmt;

use reqwest::Url;

/// Why a text is not a part of a Vault configuration. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPart {
    /// Not a URL.
    #[error("the address is not a URL")]
    NotAUrl,
    /// Neither `https` nor `http`.
    #[error("the address is neither https nor http")]
    Scheme,
    /// Plain `http` to another machine: keys and tokens would cross the network in the clear.
    #[error("plain http is for a loopback address only")]
    PlainHttp,
    /// A user, a path, a query or a fragment in the address.
    #[error("the address holds more than a scheme, a host and a port")]
    TooMuch,
    /// No text, an empty segment, or a character outside of `A-Z a-z 0-9 . _ -`.
    #[error("a mount or namespace is made of segments of A-Z, a-z, 0-9, '.', '_' and '-' with '/' between them")]
    Segments,
    /// No text, more than 256 bytes, or a control character.
    #[error("a role name is 1 to 256 bytes without control characters")]
    Role,
}

/// Where a server is: `https://HOST[:PORT]`, or `http://` where the host is a loopback address (a
/// Vault Agent beside us).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultAddress(Url);

impl VaultAddress {
    /// Checks the text.
    ///
    /// # Errors
    /// [`BadPart`] when it is not such an address.
    pub fn new(text: &str) -> Result<Self, BadPart> {
        let url = Url::parse(text).map_err(|_| BadPart::NotAUrl)?;
        let host = url.host_str().ok_or(BadPart::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(BadPart::PlainHttp),
            _ => return Err(BadPart::Scheme),
        }
        let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(BadPart::TooMuch);
        }
        Ok(Self(url))
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: core::net::IpAddr| ip.is_loopback())
}

impl fmt::Display for VaultAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// The path under which an engine or an auth method is mounted: `transit`, `team-a/transit`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mount(Box<str>);

impl Mount {
    /// Checks the text; slashes at its ends are dropped.
    ///
    /// # Errors
    /// [`BadPart::Segments`].
    pub fn new(text: &str) -> Result<Self, BadPart> {
        segments(text).map(Self)
    }

    /// The path without slashes at its ends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A namespace of the server, sent with every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(Box<str>);

impl Namespace {
    /// Checks the text; slashes at its ends are dropped.
    ///
    /// # Errors
    /// [`BadPart::Segments`].
    pub fn new(text: &str) -> Result<Self, BadPart> {
        segments(text).map(Self)
    }

    /// The path without slashes at its ends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a role of an auth method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(Box<str>);

impl RoleName {
    /// Checks the text.
    ///
    /// # Errors
    /// [`BadPart::Role`].
    pub fn new(text: &str) -> Result<Self, BadPart> {
        let fits = !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(BadPart::Role) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A path whose segments cannot lead elsewhere.
pub(super) fn segments(text: &str) -> Result<Box<str>, BadPart> {
    let path = text.strip_prefix('/').unwrap_or(text);
    let path = path.strip_suffix('/').unwrap_or(path);
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    let good = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if path.len() <= 512 && path.split('/').all(good) { Ok(path.into()) } else { Err(BadPart::Segments) }
}
