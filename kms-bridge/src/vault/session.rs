//! A token in use.

use core::fmt;

use reqwest::Url;
use rustify::clients::reqwest::Client as RustifyClient;
use vaultrs::{
    api::EndpointMiddleware,
    client::{Client, VaultClientSettings},
};
use vocab::Plain;
use zeroize::Zeroize;

use super::{life::Life, transport::Transport};

/// A token, how long it holds, and the client that sends it. `vaultrs` takes it as its client.
pub(super) struct Session {
    pub(super) http: RustifyClient,
    pub(super) base: Url,
    pub(super) middle: EndpointMiddleware,
    pub(super) settings: VaultClientSettings,
    pub(super) life: Life,
    /// Which login gave the token, counted from 1; a renewal keeps it.
    pub(super) login: u64,
}

impl Session {
    /// The same token with another life.
    pub(super) fn with_life(&self, transport: &Transport, life: Life) -> Self {
        transport.session(&Plain::new(self.middle.token.clone()), life, self.login)
    }
}

impl Client for Session {
    fn http(&self) -> &RustifyClient {
        &self.http
    }

    fn middle(&self) -> &EndpointMiddleware {
        &self.middle
    }

    fn settings(&self) -> &VaultClientSettings {
        &self.settings
    }

    fn set_token(&mut self, token: &str) {
        self.middle.token.zeroize();
        token.clone_into(&mut self.middle.token);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.middle.token.zeroize();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("login", &self.login).field("life", &self.life).finish_non_exhaustive()
    }
}
