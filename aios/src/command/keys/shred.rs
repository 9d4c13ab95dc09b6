//! `aios keys shred`.

use super::{Desk, Owner};
use crate::output::{self, Exit, Form};
use kms_bridge::{Destruction, Evidence, ShredStep, Shredder};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

pub(super) async fn shred(desk: &Desk, owner: &Owner, confirm: &str, form: Form) -> Result<Exit, String> {
    if confirm != owner.tenant.as_str() {
        output::error(form, "--confirm must repeat the tenant's name: shredding cannot be undone");
        return Ok(Exit::Usage);
    }
    let kek_owner = desk.owner(owner).await?;
    let place = BTreeMap::from([("owner".to_owned(), kek_owner.to_string())]);
    desk.record("keys.shred_begins", &owner.tenant, place).await?;
    let providers = desk.bridge.providers();
    let hard_limit = desk.bridge.hard_limit();
    let shredder = Shredder::new(Arc::new(desk.store.clone()), providers.clone(), providers.clone(), hard_limit);
    let evidence = shredder.shred(&kek_owner, |step| tell(form, step)).await.map_err(|e| output::chain(&e))?;
    desk.record("keys.shredded", &owner.tenant, details(&evidence)).await?;
    match form {
        Form::Json => output::json(&json!({
            "owner": kek_owner.to_string(), "fence": evidence.fence.0, "acknowledged": evidence.acknowledged,
            "presumed_dead": evidence.presumed_dead.len(), "canaries": evidence.canaries,
            "data_keys": evidence.forgotten, "remains": evidence.remains(),
            "keks": evidence.keks.iter().map(|d| json!({ "kek": d.kek.name.as_str(),
                "provider": d.kek.provider.as_str(), "outcome": outcome(d.destruction) })).collect::<Vec<_>>(),
        })),
        Form::Human => {
            let rows = evidence.keks.iter();
            let rows = rows.map(|d| vec![d.kek.name.to_string(), d.kek.provider.to_string(), outcome(d.destruction)]);
            output::line(output::table(&["KEK", "key service", "outcome"], rows));
            output::line(format!("{kek_owner} is shredded. The evidence is in the ledger. What remains elsewhere:"));
            for remains in evidence.remains() {
                output::line(format!("  - {remains}"));
            }
        }
    }
    Ok(Exit::Ok)
}

fn tell(form: Form, step: &ShredStep) {
    if form == Form::Json {
        return;
    }
    output::line(match step {
        ShredStep::Fenced(number) => format!("fenced (number {}): no process takes these keys up any more", number.0),
        ShredStep::Waiting { replicas } => format!("waiting for {replicas} running processes to drop them"),
        ShredStep::Destroyed(destroyed) => format!("KEK {}: {}", destroyed.kek.name, outcome(destroyed.destruction)),
        ShredStep::CanariesDead(count) => format!("{count} data keys were tried, and none was unwrapped"),
    });
}

fn outcome(destruction: Option<Destruction>) -> String {
    match destruction {
        Some(Destruction::Done) => "destroyed".to_owned(),
        Some(Destruction::Scheduled { after }) => {
            format!("disabled; destroyed after {} days", after.as_secs().div_ceil(86_400))
        }
        None => "was not there any more".to_owned(),
    }
}

fn details(evidence: &Evidence) -> BTreeMap<String, String> {
    let mut details = BTreeMap::from([
        ("owner".to_owned(), evidence.owner.to_string()),
        ("fence".to_owned(), evidence.fence.0.to_string()),
        ("replicas_acknowledged".to_owned(), evidence.acknowledged.to_string()),
        ("replicas_presumed_dead".to_owned(), evidence.presumed_dead.len().to_string()),
        ("canaries_dead".to_owned(), evidence.canaries.to_string()),
        ("data_keys_overwritten".to_owned(), evidence.forgotten.to_string()),
    ]);
    for (at, destroyed) in evidence.keks.iter().enumerate() {
        details.insert(format!("kek_{at}"), format!("{} {}", destroyed.kek.name, outcome(destroyed.destruction)));
    }
    for (at, remains) in evidence.remains().into_iter().enumerate() {
        details.insert(format!("remains_{at}"), remains);
    }
    details
}
