//! `aios policy import --model M --policy P`.

use super::CommandError;
use crate::output::{self, Exit, Form};
use clap::Args as ClapArgs;
use policy_engine::{
    Action,
    import::{Casbin, CasbinText, Conversion, Matching, Refused, Vocabulary},
};
use serde_json::json;
use std::{fs, path::PathBuf};
use vocab::TenantId;

/// Convert a casbin model and policy into documents, or say line by line why not.
///
/// The documents are compared with casbin over the policy's own vocabulary before they are written.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The casbin model.
    #[arg(long)]
    model: PathBuf,
    /// The casbin policy, as comma-separated lines.
    #[arg(long)]
    policy: PathBuf,
    /// The tenant of a policy without domains; domains are tenants.
    #[arg(long, default_value = "imported")]
    tenant: String,
    /// What an action of the policy is called here, as READ=vector.read.
    #[arg(long = "action", value_parser = pair)]
    actions: Vec<(String, String)>,
    /// What an object of the policy is called here, as data1=vector/db/data1.
    #[arg(long = "object", value_parser = pair)]
    objects: Vec<(String, String)>,
    /// The directory to write; it must not be there yet. Without it the documents are printed.
    #[arg(long)]
    output: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("write WORD=NAME")?;
    Ok((from.to_owned(), to.to_owned()))
}

pub(super) fn run(args: &Args, form: Form) -> Result<Exit, CommandError> {
    let model = fs::read_to_string(&args.model).map_err(CommandError::file(&args.model))?;
    let policy = fs::read_to_string(&args.policy).map_err(CommandError::file(&args.policy))?;
    let vocabulary = vocabulary(args)?;
    let text = CasbinText { model: &model, policy: &policy };
    match Casbin::load(text, Matching::default()).and_then(|casbin| casbin.convert(&vocabulary)) {
        Ok(conversion) => written(args, &conversion, form),
        Err(refused) => {
            told(&refused, form);
            Ok(Exit::Failed)
        }
    }
}

fn vocabulary(args: &Args) -> Result<Vocabulary, CommandError> {
    let tenant = TenantId::new(&args.tenant).map_err(|error| CommandError::Usage(error.to_string()))?;
    let action = |(word, name): &(String, String)| {
        let action: Action = name.parse().map_err(|error| CommandError::Usage(format!("{name}: {error}")))?;
        Ok((word.clone(), action))
    };
    let actions = args.actions.iter().map(action).collect::<Result<_, CommandError>>()?;
    Ok(Vocabulary { tenant, actions, objects: args.objects.iter().cloned().collect() })
}

fn told(refused: &Refused, form: Form) {
    match form {
        Form::Json => output::json(&json!({ "refused": refused.0 })),
        Form::Human => refused.0.iter().for_each(|refusal| output::line(refusal.to_string())),
    }
}

fn written(args: &Args, conversion: &Conversion, form: Form) -> Result<Exit, CommandError> {
    if let Some(directory) = &args.output {
        fs::create_dir(directory).map_err(CommandError::file(directory))?;
        for document in &conversion.documents {
            let path = directory.join(&document.name);
            fs::write(&path, &document.text).map_err(CommandError::file(&path))?;
        }
    }
    let Conversion { documents, notes, compared, possible } = conversion;
    match form {
        Form::Json => output::json(&json!({
            "documents": documents.iter().map(|d| json!({ "name": d.name, "text": d.text })).collect::<Vec<_>>(),
            "notes": notes, "compared": compared, "possible": possible,
        })),
        Form::Human => {
            if args.output.is_none() {
                documents.iter().for_each(|document| output::line(format!("# {}\n{}", document.name, document.text)));
            }
            notes.iter().for_each(|note| output::line(format!("note: {note}")));
            output::line(format!(
                "{} documents; {compared} of {possible} requests compared with casbin, all decided alike",
                documents.len()
            ));
        }
    }
    Ok(Exit::Ok)
}
