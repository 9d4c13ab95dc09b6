//! What an operator should know about the server, our rights there, and the KEKs.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use vaultrs::{api::token::responses::LookupTokenResponse, token, transit::key};
use vocab::Plain;

use super::{access::VaultAccess, fault::VaultFault, life::Life, parts::Mount, session::Session};
use crate::{
    names::KekName,
    provider::{Finding, Severity},
};

/// How many KEKs are looked at.
const LOOKED_AT: usize = 100;

/// The name of no KEK: rules on KEK names apply to it as to any.
const ANY_KEK: &str = "k-aaaaaaaaaaaaaaaaaaaaaaaaaa";

fn finding(severity: Severity, text: impl Into<String>) -> Finding {
    Finding { severity, text: text.into() }
}

pub(super) async fn examine(access: &Arc<VaultAccess>, mount: &Mount) -> Vec<Finding> {
    let mut found = vec![];
    match access.within(health(access)).await {
        Ok(health) => {
            let usable = health.severity < Severity::Broken;
            found.push(health);
            if !usable {
                return found;
            }
        }
        Err(fault) => {
            found.push(finding(Severity::Broken, format!("the server does not answer: {}", told(&fault))));
            return found;
        }
    }
    match access.within(access.run(async |session: Arc<Session>| Ok(token::lookup_self(&*session).await?))).await {
        Ok(token) => found.extend(of_token(&token)),
        Err(fault) => {
            found.push(finding(Severity::Broken, format!("there is no login: {}", told(&fault))));
            return found;
        }
    }
    match access.within(access.run(async |session: Arc<Session>| rights(&session, mount).await)).await {
        Ok(rights) => found.extend(of_rights(&rights, mount)),
        Err(fault) => found.push(finding(Severity::Warning, format!("our rights are not known: {}", told(&fault)))),
    }
    match access.within(access.run(async |session: Arc<Session>| keks(&session, mount).await)).await {
        Ok(keks) => found.extend(keks),
        // Listing is a right that the data path does not need.
        Err(fault) if fault.is_refusal() => {
            found.push(finding(Severity::Fine, "the KEKs are not listed: the token may not, and need not"));
        }
        Err(fault) => found.push(finding(Severity::Broken, format!("the KEKs cannot be listed: {}", told(&fault)))),
    }
    found
}

/// A fault with what caused it, in one line.
fn told(fault: &VaultFault) -> String {
    let mut text = fault.to_string();
    let mut next = std::error::Error::source(fault);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

async fn health(access: &VaultAccess) -> Result<Finding, VaultFault> {
    #[derive(Deserialize)]
    struct Health {
        version: String,
    }
    let nobody =
        access.transport().session(&Plain::new(String::new()), Life::granted(access.clock().now(), None, false), 0);
    let answer = nobody.read("sys/health").await?;
    Ok(match answer.status {
        200 => {
            let version = answer.parse::<Health>().map_or_else(|_| "unknown".to_owned(), |health| health.version);
            finding(Severity::Fine, format!("the server answers and is unsealed (version {version})"))
        }
        429 | 472 | 473 => finding(Severity::Fine, "the server answers and is a standby"),
        501 => finding(Severity::Broken, "the server is not initialised"),
        503 => finding(Severity::Broken, "the server is sealed: its operators have to unseal it"),
        status => finding(Severity::Broken, format!("the server answers {status} when asked for its health")),
    })
}

fn of_token(token: &LookupTokenResponse) -> Vec<Finding> {
    let mut found = Vec::new();
    let policies = token.policies.iter().chain(token.identity_policies.iter().flatten());
    let policies: Vec<&str> = policies.map(String::as_str).collect();
    let named = policies.join(", ");
    if policies.contains(&"root") {
        found.push(finding(Severity::Warning, "the token is a root token: use one with a policy of its own"));
    }
    found.push(match &token.expire_time {
        None => finding(Severity::Warning, format!("the token never expires (policies: {named})")),
        Some(_) if token.renewable == Some(true) => {
            finding(Severity::Fine, format!("the token holds for {} s and is renewable (policies: {named})", token.ttl))
        }
        Some(_) => finding(
            Severity::Fine,
            format!("the token holds for {} s, then a login replaces it (policies: {named})", token.ttl),
        ),
    });
    found
}

/// What may be done on which path.
struct Rights(BTreeMap<String, Vec<String>>);

impl Rights {
    fn may(&self, path: &str, right: &str) -> bool {
        let has = |rights: &Vec<String>| rights.iter().any(|has| has == right || has == "root");
        self.0.get(path).is_some_and(has)
    }
}

async fn rights(session: &Session, mount: &Mount) -> Result<Rights, VaultFault> {
    #[derive(Serialize)]
    struct Ask {
        paths: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Data {
        data: BTreeMap<String, Vec<String>>,
    }
    let paths = ["encrypt", "decrypt", "rewrap", "keys", "export/encryption-key", "backup"]
        .map(|operation| format!("{mount}/{operation}/{ANY_KEK}"));
    let config = format!("{mount}/keys/{ANY_KEK}/config");
    let ask = Ask { paths: paths.into_iter().chain([config]).collect() };
    let body = serde_json::to_vec(&ask).map_err(|_| VaultFault::Garbled)?;
    let answer = session.call(Method::POST, "sys/capabilities-self", Some(body.into())).await?.success()?;
    Ok(Rights(answer.parse::<Data>()?.data))
}

fn of_rights(rights: &Rights, mount: &Mount) -> Vec<Finding> {
    let mut found = Vec::new();
    let path = |operation: &str| format!("{mount}/{operation}/{ANY_KEK}");
    for operation in ["encrypt", "decrypt", "rewrap"] {
        if !rights.may(&path(operation), "update") {
            let text = format!("no right to {operation}: give \"update\" on {mount}/{operation}/*");
            found.push(finding(Severity::Broken, text));
        }
    }
    if !rights.may(&path("keys"), "read") {
        let text = format!("no right to read keys: give \"read\" on {mount}/keys/*, or rotation goes unnoticed");
        found.push(finding(Severity::Broken, text));
    }
    if rights.may(&path("encrypt"), "create") {
        let text = format!(
            "the token could make keys by encrypting: take \"create\" on {mount}/encrypt/* from it and set \
             disable_upsert in {mount}/config/keys (our own calls never make one)"
        );
        found.push(finding(Severity::Warning, text));
    }
    if rights.may(&path("keys"), "delete") {
        let text = format!(
            "the token may destroy KEKs: give \"delete\" on {mount}/keys/* to a separate credential for shredding"
        );
        found.push(finding(Severity::Warning, text));
    }
    if rights.may(&format!("{mount}/keys/{ANY_KEK}/config"), "update") {
        let text = format!("the token may change the settings of KEKs ({mount}/keys/*/config), also to export them");
        found.push(finding(Severity::Warning, text));
    }
    for operation in ["export/encryption-key", "backup"] {
        if rights.may(&path(operation), "read") {
            let text = format!("the token may read {mount}/{operation}/*: no KEK should ever leave the server");
            found.push(finding(Severity::Warning, text));
        }
    }
    if found.is_empty() {
        found.push(finding(Severity::Fine, "the rights are those of the data path and no more"));
    }
    found
}

/// The settings of the engine and of its KEKs.
async fn keks(session: &Session, mount: &Mount) -> Result<Vec<Finding>, VaultFault> {
    #[derive(Deserialize)]
    struct Data {
        data: Settings,
    }
    #[derive(Deserialize)]
    struct Settings {
        disable_upsert: bool,
    }
    let mut found = Vec::new();
    let settings = session.read(&format!("{mount}/config/keys")).await?;
    if settings.success().and_then(|answer| answer.parse::<Data>()).is_ok_and(|d| !d.data.disable_upsert) {
        let text = format!("{mount} makes missing keys for whoever may: set disable_upsert in {mount}/config/keys");
        found.push(finding(Severity::Warning, text));
    }
    let names = match key::list(session, mount.as_str()).await.map_err(VaultFault::from) {
        Ok(list) => list.keys,
        Err(VaultFault::Answered { status: 404, says }) if says.is_empty() => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let keks: Vec<KekName> = names.iter().filter_map(|name| KekName::new(name).ok()).collect();
    for kek in keks.iter().take(LOOKED_AT) {
        found.extend(of_kek(session, mount, kek).await?);
    }
    found.push(finding(Severity::Fine, format!("{} KEKs, {} looked at", keks.len(), keks.len().min(LOOKED_AT))));
    Ok(found)
}

async fn of_kek(session: &Session, mount: &Mount, kek: &KekName) -> Result<Vec<Finding>, VaultFault> {
    let key = match key::read(session, mount.as_str(), kek.as_str()).await.map_err(VaultFault::from) {
        Ok(key) => key,
        // Destroyed since it was listed.
        Err(VaultFault::Answered { status: 404, .. }) => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut found = Vec::new();
    if !key.derived {
        found.push(finding(Severity::Broken, format!("{kek} is not derived: what it wraps is bound to no tenant")));
    }
    for (weak, what) in [
        (key.deletion_allowed, "may be deleted: set deletion_allowed to false until it is to be shredded"),
        (key.exportable, "may be exported, which cannot be taken back: rotate its tenant to a fresh KEK"),
        (key.allow_plaintext_backup, "may be backed up in the clear: rotate its tenant to a fresh KEK"),
    ] {
        if weak {
            found.push(finding(Severity::Warning, format!("{kek} {what}")));
        }
    }
    Ok(found)
}
