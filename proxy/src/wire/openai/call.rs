//! A model call: read, scanned, ready to be decided on.

use super::error::WireError;
use super::{chat, embeddings, fields};
use bytes::Bytes;
use content_guard::json::{Document, Kind, Value};
use content_guard::{
    Coverage, FieldPlan, Guarded, LabelCounts, LabelSet, NotGuarded, PseudonymMap, Pseudonymiser, ScannedBody, Scanner,
};
use vocab::ModelName;

/// An endpoint that takes a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/embeddings`.
    Embeddings,
}

impl Endpoint {
    /// The path at the upstream, behind its base URL (which ends in `/v1` by the SDKs' convention).
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Embeddings => "/embeddings",
        }
    }
}

/// How the answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As one JSON body.
    Whole,
    /// As server-sent events.
    Stream,
}

/// A request of which every field is known and every text was scanned.
#[derive(Debug)]
pub(crate) struct ModelCall {
    endpoint: Endpoint,
    model: ModelName,
    delivery: Delivery,
    token_estimate: u64,
    body: ScannedBody,
}

/// Reads and scans a request.
///
/// # Errors
/// [`WireError`]: the client is told what is wrong with which field.
pub(crate) fn parse(scanner: &Scanner, endpoint: Endpoint, body: Bytes) -> Result<ModelCall, WireError> {
    let document = Document::parse(body)?;
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err(WireError::WrongKind { field: "the body", wanted: "an object" });
    }
    let mut plan = FieldPlan::new(&document);
    plan.name(root, &fields::KEYS);
    let asked = match endpoint {
        Endpoint::Chat => chat::read(root, &mut plan)?,
        Endpoint::Embeddings => embeddings::read(root, &mut plan)?,
    };
    let model = model(root)?;
    let body = ScannedBody::scan(scanner, document, &plan);
    let prompt = u64::try_from(body.text_bytes().div_ceil(BYTES_A_TOKEN)).unwrap_or(u64::MAX);
    let token_estimate = prompt.saturating_add(asked.tokens);
    Ok(ModelCall { endpoint, model, delivery: asked.delivery, token_estimate, body })
}

/// What a request asks for.
pub(super) struct Asked {
    pub(super) delivery: Delivery,
    /// Tokens that are known without a tokeniser: the limit of the answer, numbered input.
    pub(super) tokens: u64,
}

/// English text takes about four bytes a token in the usual tokenisers.
const BYTES_A_TOKEN: usize = 4;

impl ModelCall {
    /// Where it goes.
    pub(crate) const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The model that is asked.
    pub(crate) const fn model(&self) -> &ModelName {
        &self.model
    }

    /// How the answer comes.
    pub(crate) const fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// About how many tokens the call takes: a quarter of the bytes of all texts, plus the limit of
    /// the answer where the request sets one.
    pub(crate) const fn token_estimate(&self) -> u64 {
        self.token_estimate
    }

    /// What the scan found.
    pub(crate) const fn counts(&self) -> &LabelCounts {
        self.body.counts()
    }

    /// What the scan looked at, field by field.
    pub(crate) const fn coverage(&self) -> &Coverage {
        self.body.coverage()
    }

    /// Replaces the demanded labels. The map restores the answer of this call and no other.
    ///
    /// # Errors
    /// [`NotGuarded`]: content that cannot be scanned or replaced, where something is demanded.
    pub(crate) fn guard(
        self,
        demanded: LabelSet,
        pseudonymiser: &Pseudonymiser,
    ) -> Result<(Guarded<Bytes>, PseudonymMap), NotGuarded> {
        let mut map = PseudonymMap::new();
        let body = self.body.guard(demanded, pseudonymiser, &mut map)?;
        Ok((body, map))
    }
}

fn model(root: Value<'_>) -> Result<ModelName, WireError> {
    let text = root.get("model").and_then(|m| m.text()).ok_or(WireError::Missing { field: "model" })?;
    ModelName::new(&text).map_err(WireError::Model)
}
