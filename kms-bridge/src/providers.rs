//! Which key service holds whose KEKs.

use std::{collections::HashMap, sync::Arc};

use vocab::TenantId;

use crate::{names::ProviderName, provider::KekProvider};

/// The key services of a configuration by name, and which of them makes the KEKs of which tenant.
///
/// A tenant may bring its own key service. Existing KEKs stay where they were made: the registry keeps
/// the service's name beside each.
#[derive(Clone)]
pub struct Providers {
    default: ProviderName,
    all: HashMap<ProviderName, Arc<dyn KekProvider>>,
    tenants: HashMap<TenantId, ProviderName>,
}

/// Why a set of key services cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no key service is named {0}")]
pub struct NoSuchProvider(pub ProviderName);

impl Providers {
    /// One key service for all tenants.
    #[must_use]
    pub fn single(name: ProviderName, provider: Arc<dyn KekProvider>) -> Self {
        Self { all: HashMap::from([(name.clone(), provider)]), default: name, tenants: HashMap::new() }
    }

    /// Adds a key service, or puts it in the place of the one of that name.
    #[must_use]
    pub fn with(mut self, name: ProviderName, provider: Arc<dyn KekProvider>) -> Self {
        self.all.insert(name, provider);
        self
    }

    /// Has a tenant's KEKs made in the key service of that name from now on.
    ///
    /// # Errors
    /// [`NoSuchProvider`] when there is none of that name.
    pub fn with_tenant(mut self, tenant: TenantId, name: ProviderName) -> Result<Self, NoSuchProvider> {
        if !self.all.contains_key(&name) {
            return Err(NoSuchProvider(name));
        }
        self.tenants.insert(tenant, name);
        Ok(self)
    }

    /// The key service that makes a tenant's KEKs.
    #[must_use]
    pub fn of_tenant(&self, tenant: &TenantId) -> &ProviderName {
        self.tenants.get(tenant).unwrap_or(&self.default)
    }

    /// The key service of that name.
    ///
    /// # Errors
    /// [`NoSuchProvider`] when there is none of that name.
    pub fn named(&self, name: &ProviderName) -> Result<&Arc<dyn KekProvider>, NoSuchProvider> {
        self.all.get(name).ok_or_else(|| NoSuchProvider(name.clone()))
    }

    /// Every key service, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ProviderName, &Arc<dyn KekProvider>)> {
        self.all.iter()
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("names", &self.all.keys()).field("default", &self.default).finish()
    }
}
