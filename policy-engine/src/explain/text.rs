//! An explanation for people.

use super::{Explanation, Failed, Match, NearMiss};
use std::fmt;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.verdict == "allow" { "ALLOWED" } else { "DENIED" };
        write!(f, "{verdict}")?;
        if let Some(reason) = self.reason {
            write!(f, "  {reason}")?;
        }
        if let Some(rule) = &self.deciding {
            write!(f, "  by rule {rule}")?;
        }
        write!(f, "\n  {} of {} does {} on {}", self.principal, self.tenant, self.action, self.resource)?;
        write!(f, "\n  policy {}", self.policy.get(..16).unwrap_or(&self.policy))?;
        section(f, "roles", &self.roles, |f, held| write!(f, "{}: {}", held.role, held.path.join(" > ")))?;
        section(f, "matched", &self.matched, matched)?;
        section(f, "terms", &self.obligations, |f, line| f.write_str(line))?;
        section(f, "rules in mode shadow", &self.shadow, |f, rule| write!(f, "{} would {}", rule.rule, rule.would))?;
        section(f, "nearest rules that did not apply", &self.near_misses, near)?;
        if self.not_looked_at > 0 {
            write!(f, "\n    ({} more rules were not looked at)", self.not_looked_at)?;
        }
        section(f, "would let it through", &self.would_allow, |f, line| f.write_str(line))
    }
}

fn section<T>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    items: &[T],
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "\n  {title}:")?;
    for item in items {
        f.write_str("\n    ")?;
        show(f, item)?;
    }
    Ok(())
}

fn matched(f: &mut fmt::Formatter<'_>, found: &Match) -> fmt::Result {
    write!(f, "{} {}  as {}  on {}", found.effect, found.at, found.role, found.pattern)?;
    if let Some(condition) = &found.condition {
        write!(f, "\n      when {condition}")?;
    }
    if !found.adds.is_empty() {
        write!(f, "\n      then {}", found.adds.join(", "))?;
    }
    Ok(())
}

fn near(f: &mut fmt::Formatter<'_>, miss: &NearMiss) -> fmt::Result {
    write!(f, "{} {}: ", miss.effect, miss.at)?;
    let Failed { clause, wanted, read, fault } = &miss.failed;
    write!(f, "{clause} {wanted}")?;
    if let Some(fault) = fault {
        write!(f, ": {fault}")?;
    }
    for (name, value) in read {
        write!(f, "\n      {name} = {}", value.as_deref().unwrap_or("(the call has none)"))?;
    }
    Ok(())
}
