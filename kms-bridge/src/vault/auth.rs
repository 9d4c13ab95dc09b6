//! How we log in.

use std::{path::PathBuf, time::Duration};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use vaultrs::{
    api::AuthInfo,
    auth::{approle, kubernetes, oidc},
    token,
};
use vocab::Plain;
use zeroize::Zeroizing;

use super::{
    fault::{Cause, VaultFault},
    life::Life,
    parts::{Mount, RoleName},
    session::Session,
    transport::Transport,
};

/// The most bytes of a credential.
const LIMIT: usize = 16 << 10;

/// A secret text that a login needs.
#[derive(Debug)]
pub enum Credential {
    /// The text itself.
    Value(Plain<String>),
    /// A file, read again at each login, so that whoever renews it is followed.
    File(PathBuf),
}

/// How we log in.
#[derive(Debug)]
pub enum VaultAuth {
    /// A token that somebody else made. One in a file (a Vault Agent's sink) is read again when it
    /// is no longer accepted; one by value is renewed as long as it can be.
    Token(Credential),
    /// `AppRole`: for machines that are given a role id and a secret id.
    AppRole {
        /// Where the method is mounted.
        mount: Mount,
        /// The role id.
        role: Credential,
        /// The secret id.
        secret: Credential,
    },
    /// Kubernetes: the token of the pod's service account.
    Kubernetes {
        /// Where the method is mounted.
        mount: Mount,
        /// The role.
        role: RoleName,
        /// The file with the token, which the kubelet renews.
        token: PathBuf,
    },
    /// JWT or OIDC with a token of any issuer that the server trusts.
    Jwt {
        /// Where the method is mounted.
        mount: Mount,
        /// The role; without one the method's default role.
        role: Option<RoleName>,
        /// The token.
        token: Credential,
    },
    /// The client certificate of the connection.
    Certificate {
        /// Where the method is mounted.
        mount: Mount,
        /// The role; without one the server takes any that fits.
        role: Option<RoleName>,
    },
}

impl Credential {
    /// The text without the line break at its end.
    async fn read(&self) -> Result<Plain<String>, VaultFault> {
        let text = match self {
            Self::Value(value) => Plain::new(value.expose().trim_end().to_owned()),
            Self::File(path) => read_file(path).await?,
        };
        // Anything else cannot be sent in a header, and `vaultrs` would panic over it.
        let fits = (1..=LIMIT).contains(&text.expose().len()) && text.expose().bytes().all(|c| c.is_ascii_graphic());
        if fits { Ok(text) } else { Err(VaultFault::BadCredential) }
    }
}

async fn read_file(path: &PathBuf) -> Result<Plain<String>, VaultFault> {
    let fault = |cause| VaultFault::CredentialFile { path: path.clone(), cause };
    let bytes = Zeroizing::new(tokio::fs::read(path).await.map_err(|error| fault(Cause::of(&error)))?);
    let text = core::str::from_utf8(&bytes).map_err(|_| VaultFault::BadCredential)?;
    Ok(Plain::new(text.trim_end().to_owned()))
}

/// What a login gives.
pub(super) struct Granted {
    pub(super) token: Plain<String>,
    pub(super) ttl: Option<Duration>,
    pub(super) renewable: bool,
}

impl From<AuthInfo> for Granted {
    fn from(info: AuthInfo) -> Self {
        let ttl = (info.lease_duration > 0).then(|| Duration::from_secs(info.lease_duration));
        Self { token: Plain::new(info.client_token), ttl, renewable: info.renewable }
    }
}

impl VaultAuth {
    /// Whether a login can give another token than the one before.
    pub(super) const fn gives_new_tokens(&self) -> bool {
        !matches!(self, Self::Token(Credential::Value(_)))
    }

    /// Logs in.
    pub(super) async fn login(&self, transport: &Transport) -> Result<Granted, VaultFault> {
        let nobody = transport.session(&Plain::new(String::new()), Life::granted(Duration::ZERO, None, false), 0);
        let granted: Granted = match self {
            Self::Token(token) => look_up(transport, token.read().await?).await?,
            Self::AppRole { mount, role, secret } => {
                let (role, secret) = (role.read().await?, secret.read().await?);
                approle::login(&nobody, mount.as_str(), role.expose(), secret.expose()).await?.into()
            }
            Self::Kubernetes { mount, role, token } => {
                let jwt = Credential::File(token.clone()).read().await?;
                kubernetes::login(&nobody, mount.as_str(), role.as_str(), jwt.expose()).await?.into()
            }
            Self::Jwt { mount, role, token } => {
                let (jwt, role) = (token.read().await?, role.as_ref().map(|role| role.as_str().to_owned()));
                oidc::login(&nobody, mount.as_str(), jwt.expose(), role).await?.into()
            }
            Self::Certificate { mount, role } => by_certificate(&nobody, mount, role.as_ref()).await?,
        };
        // Checked as any credential is: it goes into a header.
        let token = Credential::Value(granted.token).read().await.map_err(|_| VaultFault::Garbled)?;
        Ok(Granted { token, ..granted })
    }
}

/// How long a token that we were given still holds.
async fn look_up(transport: &Transport, token: Plain<String>) -> Result<Granted, VaultFault> {
    let session = transport.session(&token, Life::granted(Duration::ZERO, None, false), 0);
    let found = token::lookup_self(&session).await?;
    // A TTL of 0 is both "never" and "this very second"; only the former has no time of expiry.
    let ttl = found.expire_time.is_some().then(|| Duration::from_secs(found.ttl));
    Ok(Granted { token, ttl, renewable: found.renewable.unwrap_or(false) })
}

/// `vaultrs` names the role `cert_name`, which servers do not read: they would take any role.
async fn by_certificate(nobody: &Session, mount: &Mount, role: Option<&RoleName>) -> Result<Granted, VaultFault> {
    #[derive(Serialize)]
    struct Login<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    }
    #[derive(Deserialize)]
    struct Answered {
        auth: AuthInfo,
    }
    let login = Login { name: role.map(RoleName::as_str) };
    let body = serde_json::to_vec(&login).map_err(|_| VaultFault::Garbled)?;
    let answer = nobody.call(Method::POST, &format!("auth/{mount}/login"), Some(body.into())).await?.success()?;
    Ok(answer.parse::<Answered>()?.auth.into())
}
