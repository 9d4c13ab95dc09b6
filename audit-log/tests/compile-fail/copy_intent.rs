//! An intent is spent by its outcome: it has no copy, no default and no deserialisation.
fn clone(intent: &audit_log::Intent) -> audit_log::Intent {
    Clone::clone(intent)
}

fn default() -> audit_log::Intent {
    Default::default()
}

async fn twice(ledger: audit_log::Ledger, intent: audit_log::Intent, outcome: audit_log::OutcomeRecord) {
    let _ = ledger.outcome(intent, outcome.clone()).await;
    let _ = ledger.outcome(intent, outcome).await;
}

fn main() {}
