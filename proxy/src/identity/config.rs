//! Who may vouch for callers: the `[[issuer]]` tables of the configuration.

use crate::config::ConfigDefect;
use http::Uri;
use policy_engine::ClaimName;
use serde::Deserialize;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// An `[[issuer]]` table as written. Every key is optional here; [`IssuerConfig::parse`] says which
/// are needed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawIssuer {
    issuer: Option<String>,
    audience: Option<String>,
    algorithms: Vec<String>,
    jwks_url: Option<String>,
    jwks_ca_file: Option<String>,
    jwks_file: Option<String>,
    pem_file: Option<String>,
    tenant_claim: Option<String>,
    groups_claim: Option<String>,
    policy_claims: Vec<String>,
    leeway_s: Option<u64>,
    jwks_refresh_s: Option<u64>,
    jwks_max_age_s: Option<u64>,
    jwks_cooldown_s: Option<u64>,
}

/// An issuer whose tokens are accepted, and under which conditions.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    pub(super) issuer: Arc<str>,
    pub(super) audience: String,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: KeyLocation,
    pub(super) tenant_claim: String,
    pub(super) groups_claim: String,
    /// The claims that policies may read.
    pub(super) policy_claims: Vec<ClaimName>,
    pub(super) leeway_s: u64,
}

/// Where the public keys of an issuer are.
#[derive(Debug, Clone)]
pub enum KeyLocation {
    /// A JWK set, fetched and refreshed.
    Url {
        /// `https`, or `http` to a loopback address.
        url: Uri,
        /// PEM roots for a private certificate authority, instead of the public ones.
        ca_file: Option<PathBuf>,
        /// How often, and for how long.
        refresh: Refresh,
    },
    /// A file with a JWK set, read at start.
    JwksFile(PathBuf),
    /// A file with one PEM public key, read at start.
    PemFile(PathBuf),
    /// A JWK set in memory.
    Inline(String),
}

/// How a fetched key set is kept fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// From this age on, the set is fetched again behind the calls.
    pub after: Duration,
    /// From this age on, the set is not used any more: calls fail until a fetch succeeds.
    pub max_age: Duration,
    /// The least time between two fetches, whatever asks for them (an unknown key id, a failure).
    pub cooldown: Duration,
}

/// A signature algorithm of JSON Web Signature (RFC 7518, RFC 8037). There is no `none` and no HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Those that an RSA key verifies.
    pub(super) const RSA: [Self; 6] = [Self::Rs256, Self::Rs384, Self::Rs512, Self::Ps256, Self::Ps384, Self::Ps512];

    /// The algorithm of this `alg` value, exactly as the RFCs spell it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    pub(super) const fn jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Rs384 => jsonwebtoken::Algorithm::RS384,
            Self::Rs512 => jsonwebtoken::Algorithm::RS512,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::Ps384 => jsonwebtoken::Algorithm::PS384,
            Self::Ps512 => jsonwebtoken::Algorithm::PS512,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Es384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl IssuerConfig {
    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where its keys are.
    #[must_use]
    pub const fn keys(&self) -> &KeyLocation {
        &self.keys
    }

    /// Parses one `[[issuer]]` table. Pure: the files that it names are read when the
    /// [`Authenticator`](super::Authenticator) is made. Every fault is added to `defects` with its
    /// key path below `key_path`; `None` when there was one.
    pub fn parse(raw: RawIssuer, key_path: &str, defects: &mut Vec<ConfigDefect>) -> Option<Self> {
        let before = defects.len();
        let mut take = Taker { key_path, defects };
        let issuer = take.text("issuer", raw.issuer.as_deref(), Need::Required("issuer = \"https://id.example\""));
        let audience = take.text("audience", raw.audience.as_deref(), Need::Required("audience = \"aios\""));
        let tenant_claim = take.text("tenant_claim", raw.tenant_claim.as_deref(), Need::Default("tenant"));
        let groups_claim = take.text("groups_claim", raw.groups_claim.as_deref(), Need::Default("groups"));
        let policy_claims = take.claims(&raw.policy_claims);
        let algorithms = take.algorithms(&raw.algorithms);
        let leeway_s = take.seconds("leeway_s", raw.leeway_s, Seconds { default: 30, least: 0, most: 300 });
        let keys = take.keys(&raw);
        if defects.len() > before {
            return None;
        }
        Some(Self {
            issuer: issuer?.into(),
            audience: audience?,
            algorithms,
            keys: keys?,
            tenant_claim: tenant_claim?,
            groups_claim: groups_claim?,
            policy_claims,
            leeway_s,
        })
    }
}

/// Whether a text must be written.
enum Need {
    /// Yes; an example of it.
    Required(&'static str),
    /// No; what stands for it.
    Default(&'static str),
}

struct Seconds {
    default: u64,
    least: u64,
    most: u64,
}

struct Taker<'a> {
    key_path: &'a str,
    defects: &'a mut Vec<ConfigDefect>,
}

impl Taker<'_> {
    fn fault(&mut self, field: &str, message: impl Into<String>) {
        let key = if field.is_empty() { self.key_path.to_owned() } else { format!("{}.{field}", self.key_path) };
        // A key of the wrong type was reported and left out by the loader: do not report it twice.
        if !self.defects.iter().any(|d| d.key == key) {
            self.defects.push(ConfigDefect::new(key, message));
        }
    }

    fn text(&mut self, field: &str, value: Option<&str>, need: Need) -> Option<String> {
        match (value, need) {
            (Some(text), _) if (1..=512).contains(&text.len()) && !text.chars().any(char::is_control) => {
                Some(text.to_owned())
            }
            (Some(_), _) => {
                self.fault(field, "must be 1 to 512 bytes without control characters");
                None
            }
            (None, Need::Default(text)) => Some(text.to_owned()),
            (None, Need::Required(example)) => {
                self.fault(field, format!("is needed, for example {example}"));
                None
            }
        }
    }

    fn seconds(&mut self, field: &str, value: Option<u64>, bounds: Seconds) -> u64 {
        let Seconds { default, least, most } = bounds;
        if value.is_some_and(|v| v < least || v > most) {
            self.fault(field, format!("must be {least} to {most} seconds"));
        }
        value.unwrap_or(default)
    }

    fn claims(&mut self, names: &[String]) -> Vec<ClaimName> {
        let mut parsed = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match ClaimName::new(name) {
                Ok(claim) => parsed.push(claim),
                Err(error) => self.fault(&format!("policy_claims[{index}]"), error.to_string()),
            }
        }
        parsed
    }

    fn algorithms(&mut self, names: &[String]) -> Vec<Algorithm> {
        const KNOWN: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";
        if names.is_empty() {
            self.fault("algorithms", "is needed, for example algorithms = [\"RS256\"]");
        }
        let mut parsed = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let field = format!("algorithms[{index}]");
            match Algorithm::from_name(name) {
                Some(algorithm) if parsed.contains(&algorithm) => self.fault(&field, "is listed twice"),
                Some(algorithm) => parsed.push(algorithm),
                None if name.starts_with("HS") || name.eq_ignore_ascii_case("none") => {
                    self.fault(&field, format!("must be asymmetric: {KNOWN}"));
                }
                None => self.fault(&field, format!("must be {KNOWN}")),
            }
        }
        parsed
    }

    fn keys(&mut self, raw: &RawIssuer) -> Option<KeyLocation> {
        const DAY: u64 = 86_400;
        let after = self.seconds("jwks_refresh_s", raw.jwks_refresh_s, Seconds { default: 300, least: 10, most: DAY });
        let max_age = self.seconds(
            "jwks_max_age_s",
            raw.jwks_max_age_s,
            Seconds { default: 14_400.max(after), least: 10, most: 7 * DAY },
        );
        let cooldown =
            self.seconds("jwks_cooldown_s", raw.jwks_cooldown_s, Seconds { default: 10, least: 1, most: 300 });
        if max_age < after {
            self.fault("jwks_max_age_s", "must not be less than jwks_refresh_s");
        }
        if raw.jwks_url.is_none() {
            let only_with_url = [
                ("jwks_ca_file", raw.jwks_ca_file.is_some()),
                ("jwks_refresh_s", raw.jwks_refresh_s.is_some()),
                ("jwks_max_age_s", raw.jwks_max_age_s.is_some()),
                ("jwks_cooldown_s", raw.jwks_cooldown_s.is_some()),
            ];
            for (field, given) in only_with_url {
                if given {
                    self.fault(field, "has no meaning without jwks_url");
                }
            }
        }
        match (&raw.jwks_url, &raw.jwks_file, &raw.pem_file) {
            (Some(url), None, None) => match jwks_url(url) {
                Ok(url) => Some(KeyLocation::Url {
                    url,
                    ca_file: raw.jwks_ca_file.as_ref().map(PathBuf::from),
                    refresh: Refresh {
                        after: Duration::from_secs(after),
                        max_age: Duration::from_secs(max_age),
                        cooldown: Duration::from_secs(cooldown),
                    },
                }),
                Err(message) => {
                    self.fault("jwks_url", message);
                    None
                }
            },
            (None, Some(path), None) => Some(KeyLocation::JwksFile(PathBuf::from(path))),
            (None, None, Some(path)) => Some(KeyLocation::PemFile(PathBuf::from(path))),
            _ => {
                self.fault("", "needs exactly one of jwks_url, jwks_file and pem_file");
                None
            }
        }
    }
}

fn jwks_url(text: &str) -> Result<Uri, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "is not a URL")?;
    let (Some(scheme), Some(authority), Some(host)) = (uri.scheme_str(), uri.authority(), uri.host()) else {
        return Err("must be absolute, for example https://id.example/jwks.json");
    };
    if authority.as_str().contains('@') || text.contains('#') {
        return Err("must hold no user, password or fragment");
    }
    match scheme {
        "https" => Ok(uri),
        "http" if is_loopback(host) => Ok(uri),
        "http" => Err("must be https: plain http is for loopback addresses only"),
        _ => Err("must be https"),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
