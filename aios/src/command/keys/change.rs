//! `aios keys rotate|rewrap`.

use super::{Desk, Owner};
use crate::output::{self, Exit, Form};
use kms_bridge::{DekScope, KekRotation, KeyRegistry as _, Purpose};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    io::{IsTerminal, Write as _},
};
use vocab::TenantId;

pub(super) async fn rotate(desk: &Desk, owner: &Owner, form: Form) -> Result<Exit, String> {
    let kek_owner = desk.owner(owner).await?;
    let rotation = desk.bridge.rotate_kek(&kek_owner).await.map_err(|e| output::chain(&e))?;
    let (what, details) = match &rotation {
        KekRotation::Version(version) => {
            let version = version.0.to_string();
            (format!("its KEK has version {version} now"), BTreeMap::from([("version".to_owned(), version)]))
        }
        KekRotation::Name { old, new } => {
            let names = [("old".to_owned(), old.name.to_string()), ("new".to_owned(), new.name.to_string())];
            (format!("KEK {} took the place of {}", new.name, old.name), BTreeMap::from(names))
        }
    };
    desk.record("keys.kek_rotated", &owner.tenant, details.clone()).await?;
    match form {
        Form::Json => output::json(&json!({ "owner": kek_owner.to_string(), "rotated": details })),
        Form::Human => {
            let rest = match rotation {
                KekRotation::Version(_) => "Data keys follow with their use, or all at once:",
                KekRotation::Name { .. } => "New data keys are wrapped with it; this wraps the others again:",
            };
            output::line(format!("{kek_owner}: {what}. {rest}"));
            output::line(format!("  aios keys rewrap --tenant {}", owner.tenant));
        }
    }
    Ok(Exit::Ok)
}

/// New epochs of what carries its epoch in each value. The keys of vectors and tokens stay: stored vectors
/// are searched under one key.
pub(super) async fn open_epochs(desk: &Desk, owner: &Owner, form: Form) -> Result<Exit, String> {
    const PURPOSES: [Purpose; 2] = [Purpose::Payload, Purpose::Content];
    let kek_owner = desk.owner(owner).await?;
    let mut scopes: HashMap<DekScope, ()> = HashMap::new();
    let mut after = None;
    loop {
        let page = desk.store.page(Some(&owner.tenant), after, 500).await.map_err(|e| output::chain(&e))?;
        let Some(last) = page.last() else { break };
        after = Some(last.key_id);
        let wanted = page.into_iter().map(|dek| dek.scope).filter(|scope| {
            PURPOSES.contains(&scope.purpose)
                && (kek_owner.collection.is_none() || kek_owner.collection == scope.collection)
        });
        scopes.extend(wanted.map(|scope| (scope, ())));
    }
    let mut opened = Vec::new();
    for scope in scopes.into_keys() {
        let dek = desk.bridge.open_epoch(&scope).await.map_err(|e| output::chain(&e))?;
        let collection = scope.collection.as_ref().map_or("", |c| c.as_str()).to_owned();
        opened.push((scope.purpose.to_string(), collection, dek.epoch().get()));
    }
    opened.sort();
    let count = BTreeMap::from([("scopes".to_owned(), opened.len().to_string())]);
    desk.record("keys.epochs_opened", &owner.tenant, count).await?;
    match form {
        Form::Json => output::json(&json!({ "owner": kek_owner.to_string(), "epochs": opened.iter()
            .map(|(purpose, collection, epoch)| json!({ "purpose": purpose, "collection": collection, "epoch": epoch }))
            .collect::<Vec<_>>() })),
        Form::Human => {
            let rows =
                opened.into_iter().map(|(purpose, collection, epoch)| vec![purpose, collection, epoch.to_string()]);
            output::line(output::table(&["purpose", "collection (in the store)", "epoch"], rows));
            output::line(format!(
                "Running sidecars seal in the new epochs within {} s; keys of vectors and filter tokens stay.",
                desk.config.keys.cache.ttl.as_secs()
            ));
        }
    }
    Ok(Exit::Ok)
}

pub(super) async fn rewrap(desk: &Desk, tenant: Option<&TenantId>, form: Form) -> Result<Exit, String> {
    let show = std::io::stderr().is_terminal();
    let total: u64 = {
        let keks = desk.store.keks().await.map_err(|e| output::chain(&e))?;
        keks.iter().filter(|k| tenant.is_none_or(|t| k.owner.tenant == *t)).map(|k| k.deks).sum()
    };
    let report = desk
        .bridge
        .rewrap(tenant, |report| {
            if show && total > 0 {
                let percent = report.seen.saturating_mul(100) / total;
                let filled = usize::try_from(percent / 4).unwrap_or(25).min(25);
                let _ = write!(std::io::stderr().lock(), "\rrewrapping [{:<25}] {percent:>3} %", "#".repeat(filled));
            }
        })
        .await
        .map_err(|e| output::chain(&e))?;
    if show && total > 0 {
        let _ = writeln!(std::io::stderr().lock());
    }
    match form {
        Form::Json => output::json(&json!({
            "seen": report.seen, "fine": report.fine, "rewrapped": report.rewrapped, "overtaken": report.overtaken,
            "failed": report.failed.iter().map(|(id, e)| json!({ "key": id.to_string(), "error": e.to_string() }))
                .collect::<Vec<_>>(),
        })),
        Form::Human => {
            output::line(format!(
                "{} data keys: {} wrapped again, {} under the newest KEK already, {} changed by another process, {} failed.",
                report.seen,
                report.rewrapped,
                report.fine,
                report.overtaken,
                report.failed.len()
            ));
            let rows: Vec<_> = report.failed.iter().map(|(id, e)| vec![id.to_string(), e.to_string()]).collect();
            if !rows.is_empty() {
                output::line(output::table(&["data key", "why not"], rows));
            }
        }
    }
    Ok(if report.failed.is_empty() { Exit::Ok } else { Exit::Failed })
}
