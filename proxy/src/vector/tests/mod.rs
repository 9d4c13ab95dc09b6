//! The vector plane against a stand-in store, from client bytes to client bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod amending;
mod collections;
mod filters;
mod hostile;
mod searching;
mod store;

use super::{ClientAnswer, MemoryCollections, Owner, VectorError, VectorPlane};
use crate::{failure::Failure, wire::qdrant};
use bytes::Bytes;
use http::Method;
use kms_bridge::{
    CacheConfig, DekBytes, Destruction, Finding, KekName, KekPer, KekProvider, KeyBridge, MemoryRegistry,
    ProviderError, ProviderName, Providers, WrapContext, WrappedDek,
};
use policy_engine::{Document, Facts, Governed, Grant, PolicySet, Query, Resource};
use serde_json::{Value, json};
use std::sync::Arc;
use store::Store;
use vocab::{GroupName, PrincipalId, TenantId, UpstreamName};

/// A key service that keeps data keys as they are; only for these tests.
struct NoService;

#[async_trait::async_trait]
impl KekProvider for NoService {
    async fn create_kek(&self, _: &KekName) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn wrap(&self, _: &KekName, dek: &DekBytes, context: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        Ok([dek.expose().as_slice(), context.as_bytes()].concat())
    }

    async fn unwrap(&self, deks: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        Ok(deks.iter().map(|dek| Ok(DekBytes::copied(&dek.wrapped[..32]).unwrap())).collect())
    }

    async fn destroy(&self, _: &KekName) -> Result<Destruction, ProviderError> {
        Ok(Destruction::Done)
    }

    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// A sidecar's vector plane with a store behind it.
struct World {
    plane: Arc<VectorPlane>,
    registry: Arc<MemoryRegistry>,
    store: Store,
}

/// A call as the policy sees it.
struct Asked<'a> {
    owner: &'a Owner,
    call: &'a super::VectorCall,
    resource: Resource,
    facts: Facts,
}

impl Governed for Asked<'_> {
    fn query(&self) -> Query<'_> {
        const NONE: &[GroupName] = &[];
        Query {
            tenant: &self.owner.tenant,
            principal: &self.owner.principal,
            groups: NONE,
            claims: &[],
            action: self.call.action(),
            resource: &self.resource,
            facts: &self.facts,
        }
    }
}

const TERMS: &str = r#"encrypt = "preserving", filterable = ["lang", "year", "meta.tags", "ok"]"#;

fn owner(tenant: &str) -> Owner {
    Owner {
        tenant: TenantId::new(tenant).unwrap(),
        principal: PrincipalId::new("u1").unwrap(),
        upstream: UpstreamName::new("vectors").unwrap(),
    }
}

fn grant(owner: &Owner, call: &super::VectorCall, terms: &str) -> Grant {
    let document = Document {
        name: "test.toml".to_owned(),
        text: format!(
            "version = 1\ntenant = \"{}\"\n[[rule]]\nid = \"all\"\ndescription = \"all\"\nallow = [\"vector.*\"]\n\
             roles = [\"everyone\"]\non = [\"vector/**\"]\nthen = {{ {terms} }}\n",
            owner.tenant
        ),
    };
    let policy = PolicySet::compile(&[document]).unwrap();
    let asked = Asked { owner, call, resource: call.resource(&owner.upstream), facts: Facts::default() };
    policy.decide(asked).map_err(|refused| refused.denial).unwrap().into_call().1
}

impl World {
    fn new() -> Self {
        let registry = Arc::new(MemoryRegistry::new());
        let providers = Providers::single(ProviderName::local(), Arc::new(NoService));
        let keys = KeyBridge::new(providers, registry.clone(), KekPer::Tenant, CacheConfig::default());
        let plane = Arc::new(VectorPlane::new(keys, Arc::new(MemoryCollections::default())));
        Self { plane, registry, store: Store::default() }
    }

    async fn call_as(
        &self,
        owner: &Owner,
        terms: &str,
        request: (&str, &str),
        body: &Value,
    ) -> Result<ClientAnswer, Failure> {
        let (method, target) = request;
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let call = qdrant::parse(&method, &segments, query, &body).map_err(|e| Failure::from(&e))?;
        let grant = grant(owner, &call, terms);
        let fail = |e: VectorError| Failure::from(&e);
        let prepared = self.plane.prepare(owner.clone(), &grant, call).await.map_err(fail)?;
        prepared.carry_out(&self.store).await.map_err(fail)
    }

    /// A call of tenant `acme` on the standard terms; the result of its answer.
    async fn call(&self, method: &str, target: &str, body: Value) -> Result<Value, Failure> {
        let answer = self.call_as(&owner("acme"), TERMS, (method, target), &body).await?;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        Ok(answer.get("result").cloned().unwrap_or(answer))
    }

    /// The same, which must succeed.
    async fn ok(&self, method: &str, target: &str, body: Value) -> Value {
        self.call(method, target, body).await.unwrap()
    }

    /// The stable code of a call that must fail.
    async fn code(&self, method: &str, target: &str, body: Value) -> &'static str {
        match self.call(method, target, body).await {
            Ok(answer) => panic!("{method} {target} succeeded: {answer}"),
            Err(failure) => failure.code,
        }
    }

    /// With a collection `docs` of four dimensions.
    async fn with_docs(distance: &str) -> Self {
        let world = Self::new();
        world.ok("PUT", "/collections/docs", json!({"vectors": {"size": 4, "distance": distance}})).await;
        world
    }
}
