//! A call as the proxy would parse it, in small.

use policy_engine::{Action, Document, Facts, Governed, Label, Obligations, PolicySet, Query, Resource};
use vocab::{GroupName, PrincipalId, TenantId};

/// A call with everything that a decision reads.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tenant: TenantId,
    pub(crate) principal: PrincipalId,
    pub(crate) groups: Vec<GroupName>,
    pub(crate) action: Action,
    pub(crate) resource: Resource,
    pub(crate) facts: Facts,
}

impl Governed for Call {
    fn query(&self) -> Query<'_> {
        Query {
            tenant: &self.tenant,
            principal: &self.principal,
            groups: &self.groups,
            claims: &[],
            action: self.action,
            resource: &self.resource,
            facts: &self.facts,
        }
    }
}

impl Call {
    pub(crate) fn with_labels(mut self, labels: &[&str]) -> Self {
        self.facts.labels = labels.iter().map(|l| Label::new(l).unwrap()).collect();
        self
    }

    pub(crate) fn with_groups(mut self, groups: &[&str]) -> Self {
        self.groups = groups.iter().map(|g| GroupName::new(g).unwrap()).collect();
        self
    }
}

/// `call("acme", "alice", "model.chat", "model/openai/gpt-4.1")`
pub(crate) fn call(tenant: &str, principal: &str, action: &str, resource: &str) -> Call {
    Call {
        tenant: TenantId::new(tenant).unwrap(),
        principal: PrincipalId::new(principal).unwrap(),
        groups: Vec::new(),
        action: action.parse().unwrap(),
        resource: resource.parse().unwrap(),
        facts: Facts::default(),
    }
}

pub(crate) fn compile(text: &str) -> PolicySet {
    let document = Document { name: "policy.toml".into(), text: text.into() };
    PolicySet::compile(&[document]).unwrap_or_else(|defects| panic!("{defects:#?}\n{text}"))
}

/// The obligations as policy tests write them.
pub(crate) fn lines(obligations: &Obligations) -> Vec<&str> {
    obligations.lines().iter().map(AsRef::as_ref).collect()
}
