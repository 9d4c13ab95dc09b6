//! Looks at the policy's files now and then, and puts a changed policy in place of the one that runs.
//!
//! It compares names, sizes and times of the files rather than wait for events of the file system: mounted volumes
//! replace whole directories by a link, and some give no events.

use super::{History, Loader, PolicyError};
use audit_log::Word;
use policy_engine::{Alarms, Policies, PolicyDigest, bundle::PolicyVersion};
use proxy::{
    Sidecar,
    config::{PolicyConfig, PolicySource},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// What a file is known by: path, length, time of its last change.
type Seen = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// Follows the files of a configuration as long as the process runs. A policy that does not load, fails a test
/// or a lint leaves the old one running, and says why in the log and the ledger.
pub(crate) async fn watch(sidecar: Arc<Sidecar>, config: PolicyConfig, loader: Loader, history: History) {
    let Some(pause) = config.reload else { return };
    let mut adopted = seen(&config, &history);
    let mut refused: Option<Seen> = None;
    let mut before = adopted.clone();
    let mut alarmed = false;
    loop {
        tokio::time::sleep(pause.max(Duration::from_millis(50))).await;
        alarmed = watch_alarms(&sidecar, alarmed).await;
        let now = seen(&config, &history);
        // Files that are still being written are left alone until they rest.
        let rests = now == before;
        before.clone_from(&now);
        if !rests || now == adopted || refused.as_ref() == Some(&now) {
            continue;
        }
        match reload(&sidecar, &config, &loader, &history).await {
            Ok(()) => {
                adopted = now;
                refused = None;
            }
            Err(error) => {
                tracing::error!(error = %crate::output::chain(&error), "the changed policy is refused, the old one stays");
                let details = BTreeMap::from([(Word::literal("reason"), Word::literal(error.code()))]);
                if let Err(error) = sidecar.note("policy.refused", details).await {
                    tracing::error!(%error, "a refused policy could not be recorded");
                }
                refused = Some(now);
            }
        }
    }
}

async fn reload(
    sidecar: &Arc<Sidecar>,
    config: &PolicyConfig,
    loader: &Loader,
    history: &History,
) -> Result<(), PolicyError> {
    let running = Policies::clone(&sidecar.policies());
    let (known, config, loader, history) = (running.clone(), config.clone(), loader.clone(), history.clone());
    let loaded = tokio::task::spawn_blocking(move || loader.policies(&config, &history, Some(&known)));
    let Ok(loaded) = loaded.await else { return Ok(()) };
    let (policies, version) = loaded?;
    if digests(&policies) == digests(&running) {
        return Ok(());
    }
    let digest = policies.current().digest().to_string();
    match sidecar.adopt(policies, version).await {
        Ok(()) => {
            tracing::info!(policy = %digest, version = version.map(PolicyVersion::get), "a changed policy decides now")
        }
        Err(error) => tracing::error!(%error, "a changed policy could not be recorded, the old one stays"),
    }
    Ok(())
}

/// What decides.
fn digests(policies: &Policies) -> (&PolicyDigest, Option<&PolicyDigest>) {
    (policies.current().digest(), policies.candidate().map(|candidate| candidate.set.digest()))
}

/// Tells the operator, once, when index and casbin disagreed. True once it was told.
async fn watch_alarms(sidecar: &Sidecar, told: bool) -> bool {
    let Alarms { disagreements, engine } = sidecar.policies().current().alarms();
    if told || disagreements == 0 {
        return told && disagreements > 0;
    }
    tracing::error!(disagreements, %engine, "index and casbin disagreed: this is a fault of this program");
    let details = BTreeMap::from([(Word::literal("engine"), Word::literal(engine.as_str()))]);
    if let Err(error) = sidecar.note("policy.disagreement", details).await {
        tracing::error!(%error, "a disagreement could not be recorded");
    }
    true
}

fn seen(config: &PolicyConfig, history: &History) -> Seen {
    let mut seen = Seen::new();
    let sources = [Some(&config.source), config.candidate.as_ref().map(|candidate| &candidate.source)];
    for source in sources.into_iter().flatten() {
        match source {
            PolicySource::Directory(path) => {
                let files = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
                files
                    .filter(|file| file.extension().is_some_and(|e| e == "toml"))
                    .for_each(|file| note(&mut seen, &file));
            }
            PolicySource::Bundle { file, keys } => {
                note(&mut seen, file);
                note(&mut seen, keys);
            }
        }
    }
    note(&mut seen, &history.rollback_path());
    seen.sort();
    seen
}

fn note(seen: &mut Seen, path: &Path) {
    if let Ok(metadata) = fs::metadata(path) {
        seen.push((path.to_owned(), metadata.len(), metadata.modified().ok()));
    }
}
