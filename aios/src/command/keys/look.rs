//! `aios keys status|doctor`.

use super::Desk;
use crate::output::{self, Exit, Form};
use kms_bridge::{KekState, KeyRegistry as _, ProviderError, Severity};
use serde_json::json;

pub(super) async fn status(desk: &Desk, form: Form) -> Result<Exit, String> {
    let failed = |e: &dyn std::error::Error| output::chain(e);
    let keks = desk.store.keks().await.map_err(|e| failed(&e))?;
    let replicas = desk.store.replicas().await.map_err(|e| failed(&e))?;
    let fences = desk.store.fences(kms_bridge::FenceNumber(0)).await.map_err(|e| failed(&e))?;
    let mut exit = Exit::Ok;
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for entry in &keks {
        let fenced = fences.iter().any(|fence| fence.owner.covers(&entry.owner));
        let state = match (fenced, entry.state) {
            (true, _) => "shredded",
            (false, KekState::Active) => "active",
            (false, KekState::Retired) => "retired",
        };
        let versions = match desk.bridge.providers().named(&entry.kek.provider) {
            Ok(provider) => provider.versions(&entry.kek.name).await,
            Err(_) => Err(ProviderError::Unsupported),
        };
        let version = match &versions {
            // A service that does not tell versions apart was not asked.
            Ok(_) if fenced => "-".to_owned(),
            Ok(versions) => versions.newest.0.to_string(),
            Err(ProviderError::UnknownKek) if fenced => "destroyed".to_owned(),
            Err(error) => {
                exit = Exit::Failed;
                error.to_string()
            }
        };
        let (kek, owner) = (&entry.kek, entry.owner.to_string());
        values.push(json!({
            "owner": owner, "tenant": entry.owner.tenant.as_str(), "kek": kek.name.as_str(),
            "provider": kek.provider.as_str(), "state": state, "version": version, "data_keys": entry.deks,
        }));
        let (name, provider) = (kek.name.to_string(), kek.provider.to_string());
        rows.push(vec![owner, name, provider, state.to_owned(), version, entry.deks.to_string()]);
    }
    let live = replicas.iter().filter(|replica| replica.silent_for.as_secs() < 10).count();
    match form {
        Form::Json => output::json(&json!({ "keks": values, "fences": fences.len(), "replicas": live })),
        Form::Human => {
            output::line(output::table(&["owner", "KEK", "key service", "state", "version", "data keys"], rows));
            output::line(format!("{live} running processes use these keys; {} owners are shredded.", fences.len()));
        }
    }
    Ok(exit)
}

pub(super) async fn doctor(desk: &Desk, form: Form) -> Result<Exit, String> {
    let (mut rows, mut values, mut worst) = (Vec::new(), Vec::new(), Severity::Fine);
    for (name, provider) in desk.bridge.providers().iter() {
        for finding in provider.examine().await {
            worst = worst.max(finding.severity);
            let severity = match finding.severity {
                Severity::Fine => "fine",
                Severity::Warning => "warning",
                Severity::Broken => "broken",
            };
            values.push(json!({ "key_service": name.as_str(), "severity": severity, "finding": finding.text }));
            rows.push(vec![name.to_string(), severity.to_owned(), finding.text]);
        }
    }
    match form {
        Form::Json => output::json(&json!({ "ok": worst < Severity::Broken, "findings": values })),
        Form::Human => output::line(output::table(&["key service", "", "finding"], rows)),
    }
    Ok(if worst < Severity::Broken { Exit::Ok } else { Exit::Failed })
}
