//! `aios policy key|sign|verify|rollback`.

use super::CommandError;
use crate::{
    output::{self, Exit, Form},
    policies::{self, History, Loader, PolicyError, bundle_keys},
};
use audit_log::SigningKey;
use clap::Args as ClapArgs;
use policy_engine::{
    Options, PolicySet,
    bundle::{BundleKey, PolicyVersion, Wanted, open, seal},
};
use proxy::config::PolicySource;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Make a key that signs bundles; prints its verifier key.
#[derive(ClapArgs)]
pub(crate) struct KeyArgs {
    /// The file of the private key; it must not be there yet.
    file: PathBuf,
    /// The name of the key, such as policies.example.com/release.
    #[arg(long)]
    name: String,
}

/// Put a policy into a signed bundle; lints and tests come first.
#[derive(ClapArgs)]
pub(crate) struct SignArgs {
    /// The directory of documents.
    dir: PathBuf,
    /// The file of the private key.
    #[arg(long)]
    key: PathBuf,
    /// The version: a whole number that grows with each release.
    #[arg(long)]
    policy_version: PolicyVersion,
    /// The bundle to write.
    #[arg(long)]
    output: PathBuf,
}

/// Check a bundle and say what it holds.
#[derive(ClapArgs)]
pub(crate) struct VerifyArgs {
    /// The bundle.
    bundle: PathBuf,
    /// The keys that may sign it, one a line.
    #[arg(long)]
    keys: PathBuf,
    /// Write its documents to this directory, which must not be there yet.
    #[arg(long)]
    extract: Option<PathBuf>,
}

/// Let an older version run instead of the newest, or the newest again.
#[derive(ClapArgs)]
pub(crate) struct RollbackArgs {
    /// The data directory of the sidecar.
    #[arg(long)]
    data: PathBuf,
    /// The version; without it, those that ran here are listed.
    version: Option<String>,
}

pub(super) fn key(args: &KeyArgs, form: Form) -> Result<Exit, CommandError> {
    if args.file.exists() {
        return Err(CommandError::Usage(format!("{} is there already", args.file.display())));
    }
    let key = SigningKey::load_or_generate(&args.file, &args.name)
        .map_err(|error| CommandError::Usage(output::chain(&error)))?;
    let verifier = key.verifier_key().trim_end();
    match form {
        Form::Json => output::json(&json!({ "file": args.file, "verifier_key": verifier })),
        Form::Human => output::line(verifier),
    }
    Ok(Exit::Ok)
}

pub(super) fn sign(args: &SignArgs, form: Form) -> Result<Exit, CommandError> {
    let text = fs::read_to_string(&args.key).map_err(CommandError::file(&args.key))?;
    let key =
        BundleKey::parse(&text).map_err(|error| CommandError::Usage(format!("{}: {error}", args.key.display())))?;
    // What would be refused where it runs is not signed.
    let loader = Loader { options: Options::default() };
    let checked = loader.load(&PolicySource::Directory(args.dir.clone()), None, None)?;
    let documents = PolicySet::read_dir(&args.dir)?;
    let bytes = seal(&documents, args.policy_version, policies::now(), &key)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    fs::write(&args.output, &bytes).map_err(CommandError::file(&args.output))?;
    let digest = checked.set.digest();
    match form {
        Form::Json => output::json(&json!({
            "bundle": args.output, "version": args.policy_version.get(), "policy": digest.as_str(), "bytes": bytes.len(),
        })),
        Form::Human => output::line(format!(
            "{}: version {}, {} documents, policy {digest}",
            args.output.display(),
            args.policy_version,
            documents.len()
        )),
    }
    Ok(Exit::Ok)
}

pub(super) fn verify(args: &VerifyArgs, form: Form) -> Result<Exit, CommandError> {
    let keys = bundle_keys(&args.keys)?;
    let bytes = fs::read(&args.bundle).map_err(CommandError::file(&args.bundle))?;
    let bundle = match open(&bytes, &keys, &Wanted::First) {
        Ok(bundle) => bundle,
        Err(error) => {
            output::error(form, &format!("{}: {error}", args.bundle.display()));
            return Ok(Exit::Failed);
        }
    };
    if let Some(directory) = &args.extract {
        fs::create_dir(directory).map_err(CommandError::file(directory))?;
        for document in &bundle.documents {
            let path = directory.join(file_name(&document.name)?);
            fs::write(&path, &document.text).map_err(CommandError::file(&path))?;
        }
    }
    let names: Vec<&str> = bundle.documents.iter().map(|document| document.name.as_str()).collect();
    match form {
        Form::Json => output::json(&json!({
            "version": bundle.version.get(), "created": bundle.created, "policy": bundle.policy.as_str(),
            "documents": names, "signed_by": bundle.signed_by,
        })),
        Form::Human => {
            output::line(format!("version {}, policy {}", bundle.version, bundle.policy));
            output::line(format!("signed by {}", bundle.signed_by.join(", ")));
            names.iter().for_each(|name| output::line(format!("  {name}")));
        }
    }
    Ok(Exit::Ok)
}

/// A document's name as a file in a directory, and nowhere else.
fn file_name(name: &str) -> Result<&Path, CommandError> {
    let path = Path::new(name);
    let plain = path.file_name().is_some_and(|file| file == path.as_os_str());
    if plain { Ok(path) } else { Err(CommandError::Usage("a document's name is no file name".to_owned())) }
}

pub(super) fn rollback(args: &RollbackArgs, form: Form) -> Result<Exit, CommandError> {
    let history = History::of(&args.data);
    let failed = |error| CommandError::Policy(PolicyError::Bundle(error));
    match args.version.as_deref() {
        None => {}
        Some("latest") => history.roll_back(None).map_err(failed)?,
        Some(version) => {
            let version = version.parse::<PolicyVersion>().map_err(|error| CommandError::Usage(error.to_string()))?;
            history.roll_back(Some(version)).map_err(failed)?;
        }
    }
    let versions = history.versions().map_err(failed)?;
    let named = history.rollback().map_err(failed)?;
    match form {
        Form::Json => output::json(&json!({
            "versions": versions.iter().map(|version| version.get()).collect::<Vec<_>>(),
            "rollback": named.map(PolicyVersion::get),
        })),
        Form::Human => {
            for version in &versions {
                let mark = if named == Some(*version) { "  runs, by rollback" } else { "" };
                output::line(format!("{version}{mark}"));
            }
            if named.is_none() {
                output::line("the newest runs");
            }
        }
    }
    Ok(Exit::Ok)
}
