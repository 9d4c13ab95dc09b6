//! Texts of a configuration, checked.

use core::{fmt, time::Duration};

use http::Uri;

/// Why a text of the configuration cannot be used. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct BadAwsText(&'static str);

macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $what:literal, $fit:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// [`BadAwsText`] when it is not of the form.
            pub fn new(text: &str) -> Result<Self, BadAwsText> {
                let fit: fn(&str) -> bool = $fit;
                if fit(text) { Ok(Self(text.to_owned())) } else { Err(BadAwsText($what)) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked!(
    /// A region of AWS, such as `eu-central-1`.
    AwsRegion,
    "a region: lower-case letters, digits and hyphens, such as eu-central-1",
    |text| matches!(text.len(), 4..=32)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);
checked!(
    /// The ARN of a role, such as `arn:aws:iam::123456789012:role/aios`.
    RoleArn,
    "the arn of a role: arn:PARTITION:iam::ACCOUNT:role/NAME",
    |text| text.len() <= 2048
        && text.starts_with("arn:")
        && text.contains(":role/")
        && text.bytes().all(|b| b.is_ascii_graphic())
);
checked!(
    /// The external id that a tenant's role demands of whoever assumes it.
    ExternalId,
    "an external id: 2 to 1224 of letters, digits and _+=,.@:/-",
    |text| matches!(text.len(), 2..=1224) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b))
);
checked!(
    /// The name under which an assumed role shows in the logs of AWS.
    SessionName,
    "a session name: 2 to 64 of letters, digits and _+=,.@-",
    |text| matches!(text.len(), 2..=64) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
);

impl BadAwsText {
    pub(super) const fn of(what: &'static str) -> Self {
        Self(what)
    }
}

impl Default for SessionName {
    fn default() -> Self {
        Self("aios-kms-bridge".to_owned())
    }
}

/// The address of a service: `https`, or `http` on a loopback address, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsEndpoint(Uri);

impl AwsEndpoint {
    /// Checks the text and wraps it.
    ///
    /// # Errors
    /// [`BadAwsText`] when it is not such an address. Data keys would cross the network in the clear
    /// over `http`.
    pub fn new(text: &str) -> Result<Self, BadAwsText> {
        const BAD: BadAwsText = BadAwsText("an https address without path (http on loopback only)");
        let uri: Uri = text.parse().map_err(|_| BAD)?;
        let plain = uri.path_and_query().is_none_or(|p| p.as_str() == "/");
        let user = uri.authority().is_some_and(|a| a.as_str().contains('@'));
        let safe = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => uri.host().is_some_and(is_loopback),
            _ => false,
        };
        if plain && safe && !user { Ok(Self(uri)) } else { Err(BAD) }
    }

    /// The public address of a service in a region.
    pub(super) fn of(service: &str, region: &AwsRegion) -> Option<Self> {
        let suffix = if region.as_str().starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Self::new(&format!("https://{service}.{region}.{suffix}")).ok()
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for AwsEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Whether a host is an address of this machine. Names are not resolved, and so are none.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How long AWS waits before it destroys a key: 7 to 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionWait(u8);

impl DeletionWait {
    /// Days of waiting.
    ///
    /// # Errors
    /// [`BadAwsText`] outside of 7 to 30.
    pub const fn days(days: u8) -> Result<Self, BadAwsText> {
        match days {
            7..=30 => Ok(Self(days)),
            _ => Err(BadAwsText("a waiting time of 7 to 30 days")),
        }
    }

    pub(super) const fn as_days(self) -> u8 {
        self.0
    }

    pub(super) const fn as_duration(self) -> Duration {
        // INVARIANT: at most 30 days, which fit.
        Duration::from_secs((self.0 as u64).saturating_mul(86_400))
    }
}

impl Default for DeletionWait {
    /// 30 days, as AWS has it.
    fn default() -> Self {
        Self(30)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_encrypted_or_of_this_machine() {
        for good in [
            "https://kms.eu-central-1.amazonaws.com",
            "https://vpce-1.kms.example:8443/",
            "http://127.0.0.1:5000",
            "http://[::1]:5000",
        ] {
            assert!(AwsEndpoint::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://kms.example",
            "http://localhost:5000",
            "https://a.example/path",
            "https://a.example/?q",
            "kms.example",
            "https://user@kms.example",
            "",
        ] {
            assert!(AwsEndpoint::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn regions_cannot_leave_their_place_in_an_address() {
        assert!(AwsRegion::new("eu-central-1").is_ok());
        for bad in ["", "eu", "EU-CENTRAL-1", "a.example/", "eu-central-1.evil", "-eu-1", "eu central"] {
            assert!(AwsRegion::new(bad).is_err(), "{bad}");
        }
        let region = AwsRegion::new("cn-north-1").unwrap();
        assert_eq!(AwsEndpoint::of("kms", &region).unwrap().to_string(), "https://kms.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn the_wait_is_seven_to_thirty_days() {
        assert!(DeletionWait::days(6).is_err() && DeletionWait::days(31).is_err());
        assert_eq!(DeletionWait::days(7).unwrap().as_duration(), Duration::from_secs(7 * 24 * 60 * 60));
    }

    #[test]
    fn names_for_forms_are_refused_when_they_could_add_a_field() {
        assert!(ExternalId::new("a&RoleArn=x").is_err() && SessionName::new("a b").is_err());
        assert!(RoleArn::new("arn:aws:iam::123456789012:role/aios").is_ok() && RoleArn::new("aios").is_err());
    }
}
