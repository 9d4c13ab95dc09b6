//! `aios tokens mint`: tokens of the embedded issuer.

use crate::{
    assemble::DataDir,
    output::{self, Exit, Form},
};
use clap::Subcommand;
use proxy::identity::{Grant, LocalIssuer, UnixSeconds};
use serde_json::json;
use std::{path::PathBuf, time::Duration};
use vocab::{GroupName, PrincipalId, TenantId};

/// Work on tokens.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Mint a token with the issuer key of a data directory that `aios up` made.
    Mint {
        /// The data directory.
        #[arg(long, default_value = ".aios")]
        data: PathBuf,
        /// The tenant to vouch for.
        #[arg(long)]
        tenant: TenantId,
        /// The principal to vouch for.
        #[arg(long)]
        principal: PrincipalId,
        /// A group to vouch for; may be repeated.
        #[arg(long = "group")]
        groups: Vec<GroupName>,
        /// How long the token is good for, in seconds.
        #[arg(long, default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
        lifetime: u64,
    },
}

pub(crate) fn run(command: &Command, form: Form) -> Exit {
    let Command::Mint { data, tenant, principal, groups, lifetime } = command;
    let key = DataDir::new(data).issuer_key();
    if !key.exists() {
        output::error(form, &format!("{} has no issuer: run `aios up` there first", data.display()));
        return Exit::Usage;
    }
    let issuer = match LocalIssuer::open(&key) {
        Ok(issuer) => issuer,
        Err(error) => {
            output::error(form, &output::chain(&error));
            return Exit::Incomplete;
        }
    };
    let grant = Grant {
        tenant: tenant.clone(),
        principal: principal.clone(),
        groups: groups.clone(),
        lifetime: Duration::from_secs(*lifetime),
    };
    let token = issuer.mint(&grant, UnixSeconds::now());
    match form {
        Form::Json => output::json(&json!({
            "token": token.expose(), "tenant": tenant.as_str(), "principal": principal.as_str(), "lifetime_s": lifetime,
        })),
        Form::Human => output::line(token.expose()),
    }
    Exit::Ok
}
