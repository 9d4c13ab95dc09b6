//! `aios policy explain DIR ...`.

use super::{CommandError, compile};
use crate::{
    output::{self, Exit, Form},
    policies,
};
use clap::Args as ClapArgs;
use policy_engine::{
    Action, Claim, ClaimName, ClaimValue, Facts, Label, Purpose, Query, Region, Resource, Trust, Workflow,
};
use serde_json::json;
use std::{fmt::Display, path::PathBuf, str::FromStr};
use vocab::{GroupName, PrincipalId, TenantId};

/// Say why one call is allowed or denied.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The directory of documents.
    dir: PathBuf,
    /// The tenant.
    #[arg(long, value_parser = named::<TenantId>)]
    tenant: TenantId,
    /// Who calls, as a principal or u:PRINCIPAL.
    #[arg(long = "as", value_parser = principal)]
    principal: PrincipalId,
    /// A group that the credential vouches for.
    #[arg(long = "group", value_parser = named::<GroupName>)]
    groups: Vec<GroupName>,
    /// A claim that the credential vouches for, as NAME=VALUE.
    #[arg(long = "claim", value_parser = claim)]
    claims: Vec<Claim>,
    /// The action, such as model.chat.
    #[arg(long = "do", value_parser = named::<Action>)]
    action: Action,
    /// The resource, such as model/openai/gpt-4.1.
    #[arg(long = "on", value_parser = named::<Resource>)]
    resource: Resource,
    /// A label found in the content, such as pii.email.
    #[arg(long = "label", value_parser = named::<Label>)]
    labels: Vec<Label>,
    /// The region of the upstream.
    #[arg(long, value_parser = named::<Region>)]
    region: Option<Region>,
    /// The trust of the upstream.
    #[arg(long, value_parser = named::<Trust>)]
    trust: Option<Trust>,
    /// The workflow that the call belongs to.
    #[arg(long, value_parser = named::<Workflow>)]
    workflow: Option<Workflow>,
    /// The purpose that the call serves.
    #[arg(long, value_parser = named::<Purpose>)]
    purpose: Option<Purpose>,
    /// The tokens that the call will use, estimated.
    #[arg(long, default_value_t = 0)]
    tokens: u64,
    /// How many results a search asks for.
    #[arg(long)]
    k: Option<u32>,
    /// When, in seconds since the Unix epoch; without it, now.
    #[arg(long)]
    at: Option<u64>,
}

/// Exit code 0 if the call is allowed, 1 if it is denied.
pub(super) fn run(args: &Args, form: Form) -> Result<Exit, CommandError> {
    if args.action.family() != args.resource.family() {
        return Err(CommandError::Usage(format!("{} never applies to {}", args.action, args.resource)));
    }
    let set = compile(&args.dir)?;
    let facts = Facts {
        labels: args.labels.iter().cloned().collect(),
        upstream_region: args.region.clone(),
        upstream_trust: args.trust.clone(),
        workflow: args.workflow.clone(),
        purpose: args.purpose.clone(),
        now: args.at.unwrap_or_else(policies::now),
        token_estimate: args.tokens,
        k: args.k,
        ..Facts::default()
    };
    let explanation = set.explain(&Query {
        tenant: &args.tenant,
        principal: &args.principal,
        groups: &args.groups,
        claims: &args.claims,
        action: args.action,
        resource: &args.resource,
        facts: &facts,
    });
    match form {
        Form::Json => output::json(&json!(explanation)),
        Form::Human => output::line(explanation.to_string().trim_end()),
    }
    Ok(if explanation.verdict == "allow" { Exit::Ok } else { Exit::Failed })
}

fn named<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn principal(text: &str) -> Result<PrincipalId, String> {
    named(text.strip_prefix("u:").unwrap_or(text))
}

fn claim(text: &str) -> Result<Claim, String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok(Claim { name: named::<ClaimName>(name)?, value: named::<ClaimValue>(value)? })
}
