//! The facts that conditions read, as bytes: equal bytes, equal facts.

use crate::condition::Reads;
use crate::facts::Query;
use crate::state::calendar::{DAY, Day};

/// Some variable has no form as bytes here: an outcome that read it is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoKey;

/// Appends the values of the variables. Each is written with its length or count, so that two different lists of
/// values are different bytes for the same `reads`.
pub(super) fn write_facts(reads: Reads, query: &Query<'_>, key: &mut Vec<u8>) -> Result<(), NoKey> {
    let facts = query.facts;
    for name in reads.names() {
        match name {
            "labels" => texts(key, facts.labels.iter().map(|label| label.as_str())),
            "now" => number(key, Some(facts.now)),
            // The question is about one tenant, action and resource anyway.
            "tenant"
            | "call.action"
            | "upstream.name"
            | "resource.model"
            | "resource.collection"
            | "resource.class"
            | "model.name"
            | "model.region"
            | "model.trust" => {}
            // Constants, and what is made of labels, which are read with it, and the documents.
            "class.public" | "class.internal" | "class.confidential" | "class.restricted" | "data.max_class" => {}
            "time.hour" => number(key, Some(facts.now % DAY / 3600)),
            "time.weekday" => number(key, Some(Day::of(facts.now).weekday())),
            "call.cost" => number(key, facts.cost_estimate),
            "claims" => texts(key, query.claims.iter().flat_map(|c| [c.name.as_str(), c.value.as_str()])),
            "principal.id" => text(key, Some(query.principal.as_str())),
            "principal.groups" => texts(key, query.groups.iter().map(|group| group.as_str())),
            "call.workflow" => text(key, facts.workflow.as_ref().map(|t| t.as_str())),
            "call.purpose" => text(key, facts.purpose.as_ref().map(|t| t.as_str())),
            "call.tokens" => number(key, Some(facts.token_estimate)),
            "call.k" => number(key, facts.k.map(u64::from)),
            "upstream.region" => text(key, facts.upstream_region.as_ref().map(|t| t.as_str())),
            "upstream.trust" => text(key, facts.upstream_trust.as_ref().map(|t| t.as_str())),
            _ => return Err(NoKey),
        }
    }
    Ok(())
}

fn text(key: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        key.push(0);
        return;
    };
    key.push(1);
    key.extend_from_slice(&text.len().to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}

fn texts<'t>(key: &mut Vec<u8>, all: impl Iterator<Item = &'t str>) {
    all.for_each(|one| text(key, Some(one)));
    text(key, None);
}

fn number(key: &mut Vec<u8>, number: Option<u64>) {
    let Some(number) = number else {
        key.push(0);
        return;
    };
    key.push(1);
    key.extend_from_slice(&number.to_le_bytes());
}
