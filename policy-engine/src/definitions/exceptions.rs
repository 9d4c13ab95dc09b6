//! Exceptions: which rule they are from, and for whom.

use super::Definitions;
use crate::condition::Exception;
use crate::document::hint::did_you_mean;
use crate::document::{Defect, Effect, Excepted, ExceptionDef, RuleDef};
use crate::names::RuleId;
use std::collections::{BTreeMap, HashMap};

/// The exceptions of each rule. What they say is kept in the definitions.
pub(crate) fn exceptions(
    defs: Vec<ExceptionDef>,
    rules: &[RuleDef],
    definitions: &mut Definitions,
    defects: &mut Vec<Defect>,
) -> HashMap<RuleId, Vec<Exception>> {
    let mut by_rule: HashMap<RuleId, Vec<Exception>> = HashMap::new();
    if defs.is_empty() {
        return by_rule;
    }
    let effects: BTreeMap<&str, Effect> = rules.iter().map(|rule| (rule.id.value.as_str(), rule.effect)).collect();
    for def in defs {
        let (rule, place) = (&def.rule.value, &def.rule.place);
        match (effects.get(rule.as_str()), &def.what) {
            (None, _) => {
                let meant = did_you_mean(rule.as_str(), effects.keys().copied());
                let message = format!("the exception is from the rule {rule}, which does not exist");
                defects.push(place.defect(message, meant.trim_end()));
            }
            (Some(Effect::Allow), Excepted::Members(_)) => {
                let hint = "write a rule that denies, or change the roles of the rule";
                defects.push(place.defect("an exception for somebody is from a rule that denies", hint));
            }
            _ => {}
        }
        definitions.except(&def);
        if let Excepted::Members(members) = def.what {
            by_rule.entry(def.rule.value).or_default().push(Exception { members, last: def.expires });
        }
    }
    by_rule
}
