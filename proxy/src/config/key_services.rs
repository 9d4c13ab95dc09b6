//! The `[[key_service]]` sections: key services beside the local keyring.

use super::{SecretRef, parsed::Taker, raw::RawKeyService};
use kms_bridge::{
    AwsEndpoint, AwsRegion, DeletionWait, ExternalId, Mount, Namespace, ProviderName, RoleArn, RoleName, VaultAddress,
};
use std::{collections::BTreeSet, path::PathBuf};
use vocab::TenantId;

/// A key service by its name.
#[derive(Debug, Clone)]
pub struct KeyServiceConfig {
    /// The name that the registry keeps beside its KEKs.
    pub name: ProviderName,
    /// What it is and how it is reached.
    pub kind: KeyServiceKind,
    /// Tenants whose KEKs are made here, whatever the default is.
    pub tenants: Vec<TenantId>,
}

/// What a key service is and how it is reached.
#[derive(Debug, Clone)]
pub enum KeyServiceKind {
    /// The transit engine of `HashiCorp` Vault or `OpenBao`.
    Vault(VaultService),
    /// AWS KMS.
    Aws(AwsService),
    /// A PKCS#11 token.
    Pkcs11(Pkcs11Service),
}

/// How a Vault is reached.
#[derive(Debug, Clone)]
pub struct VaultService {
    /// The server.
    pub address: VaultAddress,
    /// The mount of the transit engine.
    pub mount: Mount,
    /// The namespace, where the server has them.
    pub namespace: Option<Namespace>,
    /// PEM of a private certificate authority.
    pub ca_file: Option<PathBuf>,
    /// PEM files of a client certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How we log in.
    pub login: VaultLogin,
}

/// How we log in to a Vault.
#[derive(Debug, Clone)]
pub enum VaultLogin {
    /// A token.
    Token(SecretRef),
    /// `AppRole`.
    AppRole {
        /// Where the method is mounted.
        mount: Mount,
        /// The role id.
        role_id: SecretRef,
        /// The secret id.
        secret_id: SecretRef,
    },
    /// The service account of a Kubernetes pod.
    Kubernetes {
        /// Where the method is mounted.
        mount: Mount,
        /// The role.
        role: RoleName,
        /// The file of the account's token.
        token_file: PathBuf,
    },
    /// A JWT of an issuer that the server trusts.
    Jwt {
        /// Where the method is mounted.
        mount: Mount,
        /// The role.
        role: Option<RoleName>,
        /// The token.
        token: SecretRef,
    },
    /// The client certificate.
    Certificate {
        /// Where the method is mounted.
        mount: Mount,
        /// The role.
        role: Option<RoleName>,
    },
}

/// How AWS KMS is reached. Access keys come from the environment, as for any program on AWS.
#[derive(Debug, Clone)]
pub struct AwsService {
    /// The region.
    pub region: AwsRegion,
    /// A role to take, such as one in a tenant's own account, and what its owner gave us for it.
    pub assume: Option<(RoleArn, Option<ExternalId>)>,
    /// Another endpoint than the region's public one.
    pub endpoint: Option<AwsEndpoint>,
    /// PEM of a private certificate authority.
    pub ca_file: Option<PathBuf>,
    /// How long AWS waits before it destroys a KEK.
    pub deletion_wait: DeletionWait,
}

/// How a PKCS#11 token is reached.
#[derive(Debug, Clone)]
pub struct Pkcs11Service {
    /// The vendor's shared library.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of its user.
    pub pin: SecretRef,
}

/// Every key service; faults name their keys.
pub(super) fn key_services(take: &mut Taker<'_>, raw: Vec<RawKeyService>) -> Vec<KeyServiceConfig> {
    let (mut names, mut tenants) = (BTreeSet::new(), BTreeSet::new());
    let mut services = Vec::new();
    for (at, raw) in raw.into_iter().enumerate() {
        let mut one = One { take, at, raw };
        if let Some(service) = one.service() {
            if service.name == ProviderName::local() || !names.insert(service.name.clone()) {
                one.fault("name", "must be unique, and not \"local\", which is the keyring");
            }
            for tenant in &service.tenants {
                if !tenants.insert(tenant.clone()) {
                    one.fault("tenants", &format!("names {tenant}, which another key service has"));
                }
            }
            services.push(service);
        }
    }
    services
}

/// One section while it is read. What is used is taken out, so that what is left is at fault.
struct One<'a, 'b> {
    take: &'a mut Taker<'b>,
    at: usize,
    raw: RawKeyService,
}

impl One<'_, '_> {
    fn key(&self, name: &str) -> String {
        format!("key_service[{}].{name}", self.at)
    }

    fn fault(&mut self, name: &str, message: &str) {
        let key = self.key(name);
        self.take.fault(&key, message);
    }

    fn optional<T, E: core::fmt::Display>(
        &mut self,
        name: &str,
        text: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let key = self.key(name);
        self.take.parsed(&key, text.as_ref(), parse)
    }

    fn needed<T, E: core::fmt::Display>(
        &mut self,
        name: &str,
        text: Option<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if text.is_none() {
            self.fault(name, "is needed");
        }
        self.optional(name, text, parse)
    }

    fn service(&mut self) -> Option<KeyServiceConfig> {
        let name = self.raw.name.take();
        let name = self.needed("name", name, ProviderName::new);
        let tenants: Vec<_> = std::mem::take(&mut self.raw.tenants);
        let tenants =
            tenants.into_iter().filter_map(|text| self.optional("tenants", Some(text), TenantId::new)).collect();
        let kind = match self.raw.kind.take().as_deref() {
            Some("vault") => self.vault().map(KeyServiceKind::Vault),
            Some("aws-kms") => self.aws().map(KeyServiceKind::Aws),
            Some("pkcs11") => self.pkcs11().map(KeyServiceKind::Pkcs11),
            _ => {
                self.fault("kind", "must be \"vault\", \"aws-kms\" or \"pkcs11\"");
                return None;
            }
        };
        for left in self.raw.left() {
            self.fault(left, "does not go with this kind of key service or way to log in");
        }
        Some(KeyServiceConfig { name: name?, kind: kind?, tenants })
    }

    fn vault(&mut self) -> Option<VaultService> {
        let address = self.raw.address.take();
        let address = self.needed("address", address, VaultAddress::new);
        let mount = self.raw.mount.take().unwrap_or_else(|| "transit".to_owned());
        let mount = self.optional("mount", Some(mount), Mount::new);
        let namespace = self.raw.namespace.take();
        let namespace = self.optional("namespace", namespace, Namespace::new);
        let certificate = match (self.raw.certificate.take(), self.raw.key.take()) {
            (Some(chain), Some(key)) => Some((PathBuf::from(chain), PathBuf::from(key))),
            (None, None) => None,
            _ => {
                self.fault("certificate", "a client certificate needs certificate and key");
                None
            }
        };
        let ca_file = self.raw.ca_file.take().map(PathBuf::from);
        let login = self.login();
        if matches!(login, Some(VaultLogin::Certificate { .. })) && certificate.is_none() {
            self.fault("certificate", "is needed for auth = \"certificate\"");
        }
        Some(VaultService { address: address?, mount: mount?, namespace, ca_file, certificate, login: login? })
    }

    fn login(&mut self) -> Option<VaultLogin> {
        let auth = self.raw.auth.take();
        let standard = match auth.as_deref() {
            Some("certificate") => "cert",
            Some(other) => other,
            None => "token",
        };
        let mount = match self.raw.auth_mount.take() {
            Some(mount) => self.optional("auth_mount", Some(mount), Mount::new),
            None => Mount::new(standard).ok(),
        };
        let (role, token) = (self.raw.role.take(), self.raw.token.take());
        match auth.as_deref() {
            Some("token") => self.needed("token", token, SecretRef::parse).map(VaultLogin::Token),
            Some("approle") => {
                let (role_id, secret_id) = (self.raw.role_id.take(), self.raw.secret_id.take());
                let role_id = self.needed("role_id", role_id, SecretRef::parse);
                let secret_id = self.needed("secret_id", secret_id, SecretRef::parse);
                Some(VaultLogin::AppRole { mount: mount?, role_id: role_id?, secret_id: secret_id? })
            }
            Some("kubernetes") => {
                const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
                let role = self.needed("role", role, RoleName::new);
                let token_file = self.raw.token_file.take().map_or_else(|| PathBuf::from(TOKEN), PathBuf::from);
                Some(VaultLogin::Kubernetes { mount: mount?, role: role?, token_file })
            }
            Some("jwt") => {
                let role = self.optional("role", role, RoleName::new);
                let token = self.needed("token", token, SecretRef::parse);
                Some(VaultLogin::Jwt { mount: mount?, role, token: token? })
            }
            Some("certificate") => {
                let role = self.optional("role", role, RoleName::new);
                Some(VaultLogin::Certificate { mount: mount?, role })
            }
            _ => {
                self.fault("auth", "must be \"token\", \"approle\", \"kubernetes\", \"jwt\" or \"certificate\"");
                None
            }
        }
    }

    fn aws(&mut self) -> Option<AwsService> {
        let region = self.raw.region.take();
        let region = self.needed("region", region, AwsRegion::new);
        let (role, external_id) = (self.raw.assume_role.take(), self.raw.external_id.take());
        if role.is_none() && external_id.is_some() {
            self.fault("external_id", "goes with assume_role");
        }
        let role = self.optional("assume_role", role, RoleArn::new);
        let external_id = self.optional("external_id", external_id, ExternalId::new);
        let endpoint = self.raw.address.take();
        let endpoint = self.optional("address", endpoint, AwsEndpoint::new);
        let deletion_wait = match self.raw.deletion_days.take() {
            None => Some(DeletionWait::default()),
            Some(days) => {
                let wait = DeletionWait::days(days);
                if wait.is_err() {
                    self.fault("deletion_days", "must be from 7 to 30");
                }
                wait.ok()
            }
        };
        Some(AwsService {
            region: region?,
            assume: role.map(|role| (role, external_id)),
            endpoint,
            ca_file: self.raw.ca_file.take().map(PathBuf::from),
            deletion_wait: deletion_wait?,
        })
    }

    fn pkcs11(&mut self) -> Option<Pkcs11Service> {
        let (module, token, pin) = (self.raw.module.take(), self.raw.token_label.take(), self.raw.pin.take());
        for (name, given) in [("module", &module), ("token_label", &token)] {
            if given.is_none() {
                self.fault(name, "is needed");
            }
        }
        let pin = self.needed("pin", pin, SecretRef::parse);
        Some(Pkcs11Service { module: PathBuf::from(module?), token: token?, pin: pin? })
    }
}
