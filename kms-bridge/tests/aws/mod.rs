//! AWS KMS: the provider against moto behind a gate of ours, and against faults.

mod credentials;
mod faults;
mod gate;
mod keys;
mod moto;

use std::{sync::Arc, time::Duration};

use kms_bridge::{AwsConfig, AwsCredentials, AwsEndpoint, AwsKeys, AwsKms, AwsRegion, DeletionWait, ProviderError};
use vocab::Plain;

pub(crate) const SECRET: &str = "canary-secret-access-key";
pub(crate) const TOKEN: &str = "canary-session-token";

fn text(text: &str) -> Plain<String> {
    Plain::new(text.to_owned())
}

/// A configuration whose every service is behind the gate.
fn config(gate: &gate::Gate, credentials: AwsCredentials) -> AwsConfig {
    let endpoint = AwsEndpoint::new(&gate.url()).unwrap();
    let mut config = AwsConfig::new(AwsRegion::new("eu-central-1").unwrap(), credentials);
    config.kms_endpoint = Some(endpoint.clone());
    config.sts_endpoint = Some(endpoint.clone());
    config.metadata_endpoint = Some(endpoint);
    config.deletion_wait = DeletionWait::days(7).unwrap();
    // A test that waits for it shortens it; others have a slow machine to bear with.
    config.deadline = Duration::from_secs(30);
    config
}

fn lasting_keys() -> AwsCredentials {
    AwsCredentials::Keys(Arc::new(AwsKeys::new("AKIDCANARY".to_owned(), text(SECRET), Some(text(TOKEN))).unwrap()))
}

fn provider(gate: &gate::Gate) -> AwsKms {
    AwsKms::new(config(gate, lasting_keys())).unwrap()
}

/// The error with all its sources, in both forms that logs use.
fn whole(error: &ProviderError) -> String {
    let mut text = format!("{error:?} {error}");
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text.push_str(&format!(" / {source} {source:?}"));
        next = source.source();
    }
    text
}
