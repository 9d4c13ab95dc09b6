//! Where a call may go.

use crate::resource::Resource;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use vocab::{ModelName, UpstreamName};

/// A place that a call may go to: `model/<upstream>`, all models there, or `model/<upstream>/<model>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route {
    upstream: UpstreamName,
    model: Option<ModelName>,
}

/// The text is no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a route: write model/<upstream> or model/<upstream>/<model>")]
pub struct BadRoute;

impl Route {
    /// The upstream.
    #[must_use]
    pub const fn upstream(&self) -> &UpstreamName {
        &self.upstream
    }

    /// The model; `None` is every model of the upstream.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    /// Whether a call on this resource is on this route.
    #[must_use]
    pub fn admits(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Model { upstream, model } => {
                *upstream == self.upstream && self.model.as_ref().is_none_or(|own| own == model)
            }
            Resource::Models { upstream } => *upstream == self.upstream && self.model.is_none(),
            _ => false,
        }
    }

    /// What both routes lead to.
    fn meet(&self, other: &Self) -> Option<Self> {
        let model = match (&self.model, &other.model) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.as_ref().or(b.as_ref()),
        };
        (self.upstream == other.upstream).then(|| Self { upstream: self.upstream.clone(), model: model.cloned() })
    }
}

/// What both sets of routes lead to.
pub(super) fn intersection(a: &BTreeSet<Route>, b: &BTreeSet<Route>) -> BTreeSet<Route> {
    a.iter().flat_map(|a| b.iter().filter_map(|b| a.meet(b))).collect()
}

impl TryFrom<&Resource> for Route {
    type Error = BadRoute;
    fn try_from(resource: &Resource) -> Result<Self, BadRoute> {
        match resource {
            Resource::Model { upstream, model } => Ok(Self { upstream: upstream.clone(), model: Some(model.clone()) }),
            Resource::Models { upstream } => Ok(Self { upstream: upstream.clone(), model: None }),
            _ => Err(BadRoute),
        }
    }
}

impl FromStr for Route {
    type Err = BadRoute;
    fn from_str(text: &str) -> Result<Self, BadRoute> {
        Self::try_from(&text.parse::<Resource>().map_err(|_| BadRoute)?)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model/{}", self.upstream)?;
        self.model.as_ref().map_or(Ok(()), |model| write!(f, "/{model}"))
    }
}
