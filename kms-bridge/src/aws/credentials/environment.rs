//! Credentials as the environment of a workload names them.

use std::sync::Arc;

use vocab::Plain;

use super::{
    super::{
        keys::{AwsKeys, BadAwsKeys},
        text::{BadAwsText, RoleArn, SessionName},
    },
    AwsCredentials, ContainerUrl,
};

/// Why the environment names no credentials. It repeats no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAwsEnvironment {
    /// One variable of a pair is missing.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// The access key cannot be one.
    #[error("the access key in the environment cannot be used")]
    Keys(#[source] BadAwsKeys),
    /// A variable has an unusable value.
    #[error("{0} cannot be used")]
    Text(&'static str, #[source] BadAwsText),
}

impl AwsCredentials {
    /// The first of: an access key (`AWS_ACCESS_KEY_ID`), a web identity
    /// (`AWS_WEB_IDENTITY_TOKEN_FILE`), a container's role (`AWS_CONTAINER_CREDENTIALS_FULL_URI` or
    /// `_RELATIVE_URI`), the machine's role. `lookup` gives the value of a variable.
    ///
    /// # Errors
    /// [`BadAwsEnvironment`] when a variable is there and unusable. Nothing is tried further then.
    pub fn from_environment(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadAwsEnvironment> {
        let need = |name: &'static str| lookup(name).ok_or(BadAwsEnvironment::Missing(name));
        if let Some(id) = lookup("AWS_ACCESS_KEY_ID") {
            let secret = Plain::new(need("AWS_SECRET_ACCESS_KEY")?);
            let keys = AwsKeys::new(id, secret, lookup("AWS_SESSION_TOKEN").map(Plain::new));
            return keys.map(|keys| Self::Keys(Arc::new(keys))).map_err(BadAwsEnvironment::Keys);
        }
        if let Some(file) = lookup("AWS_WEB_IDENTITY_TOKEN_FILE") {
            let role = RoleArn::new(&need("AWS_ROLE_ARN")?).map_err(|e| BadAwsEnvironment::Text("AWS_ROLE_ARN", e))?;
            let session =
                lookup("AWS_ROLE_SESSION_NAME").map_or_else(|| Ok(SessionName::default()), |s| SessionName::new(&s));
            let session = session.map_err(|e| BadAwsEnvironment::Text("AWS_ROLE_SESSION_NAME", e))?;
            return Ok(Self::WebIdentity { role, token_file: file.into(), session });
        }
        let token_file = || lookup("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Into::into);
        for (name, before) in [
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "http://169.254.170.2"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", ""),
        ] {
            if let Some(url) = lookup(name) {
                let url = ContainerUrl::new(&format!("{before}{url}")).map_err(|e| BadAwsEnvironment::Text(name, e))?;
                return Ok(Self::Container { url, token_file: token_file() });
            }
        }
        Ok(Self::Instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<AwsCredentials, BadAwsEnvironment> {
        AwsCredentials::from_environment(&|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_first_source_that_is_named_is_taken() {
        let key =
            [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")];
        assert!(matches!(from(&key), Ok(AwsCredentials::Keys(_))));
        let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
        assert!(matches!(from(&web), Ok(AwsCredentials::WebIdentity { .. })));
        let ecs = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x")];
        assert!(matches!(from(&ecs), Ok(AwsCredentials::Container { .. })));
        let pod = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")];
        assert!(matches!(from(&pod), Ok(AwsCredentials::Container { .. })));
        assert!(matches!(from(&[]), Ok(AwsCredentials::Instance)));
    }

    #[test]
    fn halves_and_unusable_values_are_refused_without_repeating_them() {
        let half = from(&[("AWS_ACCESS_KEY_ID", "AKID")]).unwrap_err();
        assert_eq!(half, BadAwsEnvironment::Missing("AWS_SECRET_ACCESS_KEY"));
        let bad = from(&[("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "with space")]).unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("with space"));
        let elsewhere = from(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://collector.example/")]).unwrap_err();
        assert!(matches!(elsewhere, BadAwsEnvironment::Text("AWS_CONTAINER_CREDENTIALS_FULL_URI", _)));
    }
}
