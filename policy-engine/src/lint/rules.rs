//! Lints of single rules and of pairs.

use super::fold::{Fold, Known, prefixed_names, untested};
use super::places::{covers, meet, sample};
use super::{Lint, Linter};
use crate::condition::Condition;
use crate::document::Effect;
use crate::obligations::{Obligations, Terms};
use crate::set::{EVERYONE_AT, Index, Line, Rule};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

impl Linter<'_> {
    pub(super) fn rules(&mut self) {
        let tenant = self.tenant;
        for (at, rule) in (0..).zip(&tenant.rules) {
            let lines = lines_of(&tenant.lines, at);
            if self.places.unheld(&rule.roles) {
                self.about(
                    Lint::NoMember,
                    rule,
                    "no role of this rule has a member",
                    "add members, or remove the rule",
                );
            }
            self.condition(rule, lines);
            self.names(rule, lines);
            self.surface(rule, lines);
            let wide = lines.iter().any(|line| matches!(line.pattern.as_str(), "**" | "model/**" | "vector/**"));
            if rule.effect == Effect::Allow && rule.when.is_none() && wide && rule.roles.contains(&EVERYONE_AT) {
                let hint = "name roles, upstreams or a condition";
                self.about(Lint::OpenToAll, rule, "every verified principal may do this to everything of a kind", hint);
            }
        }
    }

    fn condition(&mut self, rule: &Rule, lines: &[Line]) {
        let Some(expression) = rule.when.as_ref().and_then(|when| when.expression()) else { return };
        let actions: BTreeSet<&str> = lines.iter().flat_map(|line| line.actions.iter()).map(|a| a.as_str()).collect();
        let upstreams: Option<BTreeSet<&str>> = lines
            .iter()
            .map(|line| line.pattern.as_str().split('/').nth(1).filter(|segment| !segment.starts_with('*')))
            .collect();
        let known = Known { tenant: self.id.as_str(), actions, upstreams };
        match known.fold(expression) {
            Fold::False => self.about(Lint::NeverTrue, rule, "the condition can never hold", "the rule does nothing"),
            Fold::True => {
                self.about(Lint::AlwaysTrue, rule, "the condition holds whenever it can be evaluated", "leave it out");
            }
            Fold::Open => {}
        }
        let only_search = known.actions.iter().all(|action| *action == "vector.search");
        for name in untested(expression).into_iter().filter(|name| Condition::may_lack(name)) {
            // What a rule is about is there: its resource, its upstream, and how many results a search wants.
            let is_there =
                name.starts_with("resource.") || name == "upstream.name" || (only_search && name == "call.k");
            if !is_there && !name.starts_with("spend.") {
                let message = format!("a call without {name} is denied: the condition has no answer then");
                self.about(Lint::Unguarded, rule, message, format!("write has({name}) && ..."));
            }
        }
        for other in known.other_tenants(expression) {
            let message = format!("the condition names the tenant {other}, and this document is about {}", self.id);
            self.about(Lint::OtherTenant, rule, message, "a document decides for its own tenant only");
        }
        for (name, text, bare) in prefixed_names(expression) {
            let message = format!("{name} is compared with {text:?}, but holds the bare name");
            self.about(Lint::PrefixedName, rule, message, format!("write {bare:?}"));
        }
    }

    /// What a rule means together with others. Each line looks only at lines that can match a path with it.
    pub(super) fn pairs(&mut self) {
        let tenant = self.tenant;
        for (at, rule) in (0..).zip(&tenant.rules) {
            let lines = lines_of(&tenant.lines, at);
            match rule.effect {
                Effect::Allow => {
                    if let Some(by) = self.covered_by(at, rule, lines, Effect::Deny) {
                        let message = format!("rule {} denies everything that this rule allows", shown(by));
                        self.about(Lint::UnderDeny, rule, message, "narrow the deny, or remove this rule");
                        continue;
                    }
                    self.differing(at, rule, lines);
                }
                Effect::Deny if self.idle(lines) => {
                    let hint = "calls that no rule allows are denied anyway";
                    self.about(Lint::IdleDeny, rule, "no rule allows anything that this one denies", hint);
                }
                Effect::Deny => {}
            }
            if let Some(by) = self.covered_by(at, rule, lines, rule.effect) {
                let message = format!("rule {} does all that this one does", shown(by));
                self.about(Lint::Shadowed, rule, message, "remove one");
            }
        }
    }

    /// A rule without a condition that covers each line of this one, for everybody that it is about. Of two that
    /// cover each other, the later one is covered.
    fn covered_by(&self, at: Index, rule: &Rule, lines: &[Line], effect: Effect) -> Option<&Rule> {
        let places = match effect {
            Effect::Allow => &self.places,
            Effect::Deny => &self.denies,
        };
        let mut by = None;
        for line in lines {
            let mut found = None;
            places.meeting(line.pattern.as_str(), &mut |other| {
                let Some(wide) = self.tenant.rule(other.rule) else { return ControlFlow::Continue(()) };
                let twins = effect == rule.effect;
                let fits = other.rule != at
                    && wide.effect == effect
                    && wide.when.is_none()
                    && by.is_none_or(|by| by == other.rule)
                    && line.actions.within(other.actions)
                    && (!twins || self.terms_of(other.rule) == self.terms_of(at))
                    && covers(other.pattern.as_str(), line.pattern.as_str())
                    && self.places.includes(&wide.roles, &rule.roles);
                let equal = || {
                    other.pattern == line.pattern
                        && other.actions.within(line.actions)
                        && self.places.includes(&rule.roles, &wide.roles)
                        && rule.when.is_none()
                };
                if fits && !(twins && other.rule > at && equal()) {
                    found = Some(other.rule);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            by = Some(found?);
        }
        self.tenant.rule(by?)
    }

    fn idle(&self, lines: &[Line]) -> bool {
        lines.iter().all(|line| {
            let mut bites = false;
            self.places.meeting(line.pattern.as_str(), &mut |other| {
                let allows = self.tenant.rule(other.rule).is_some_and(|rule| rule.effect == Effect::Allow);
                bites = allows && other.actions.meets(line.actions);
                if bites { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            !bites
        })
    }

    fn terms_of(&self, rule: Index) -> usize {
        usize::try_from(rule).ok().and_then(|at| self.terms.get(at)).copied().unwrap_or_default()
    }

    /// Whether the terms of two rules cannot all be kept.
    fn conflict(&self, (at, a): (Index, &Rule), (other, b): (Index, &Rule)) -> bool {
        let key = (self.terms_of(at), self.terms_of(other));
        if let Some(known) = self.conflicts.borrow().get(&key) {
            return *known;
        }
        let conflict = Obligations::merge([&*a.terms, &*b.terms].into_iter()).is_err();
        self.conflicts.borrow_mut().insert(key, conflict);
        conflict
    }

    /// The first later rule that allows some of the same calls on other terms, with such a call.
    fn differing(&mut self, at: Index, rule: &Rule, lines: &[Line]) {
        let mut first = None;
        let mut conflict = None;
        for line in lines {
            self.places.meeting(line.pattern.as_str(), &mut |other| {
                let Some(second) = self.tenant.rule(other.rule) else { return ControlFlow::Continue(()) };
                let meets = other.rule > at
                    && second.effect == Effect::Allow
                    && other.actions.meets(line.actions)
                    && self.terms_of(other.rule) != self.terms_of(at)
                    && self.places.related(&rule.roles, &second.roles);
                if !meets {
                    return ControlFlow::Continue(());
                }
                if first.is_none() {
                    first = Some((second, line, other));
                }
                if !may_conflict(&rule.terms) {
                    return ControlFlow::Break(());
                }
                if self.conflict((at, rule), (other.rule, second)) {
                    conflict = Some((second, line, other));
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
        }
        let (lint, found, message) = match (conflict, first) {
            (Some(found), _) => {
                (Lint::TermsConflict, found, "cannot be kept together with this rule's: both are denied")
            }
            (None, Some(found)) => (Lint::TermsDiffer, found, "differ from this rule's, and are merged"),
            (None, None) => return,
        };
        let (second, line, other) = found;
        let call = self.call(rule, line, other);
        let message = format!("the terms of rule {} {message}", shown(second));
        self.about(lint, rule, message, format!("as for {call}"));
    }

    /// A call that two lines match.
    fn call(&self, rule: &Rule, a: &Line, b: &Line) -> String {
        let path = meet(a.pattern.as_str(), b.pattern.as_str()).map(|both| sample(&both)).unwrap_or_default();
        let action = a.actions.iter().find(|action| b.actions.iter().any(|other| other == *action));
        let role = rule.roles.first().and_then(|role| self.tenant.role(*role)).map(ToString::to_string);
        let action = action.map(|action| action.as_str()).unwrap_or_default();
        format!("a {} that does {action} on {path}", role.unwrap_or_default())
    }
}

/// Whether terms have a part whose merge can be empty.
const fn may_conflict(terms: &Terms) -> bool {
    terms.route.is_some()
        || terms.residency.is_some()
        || terms.filterable.is_some()
        || terms.public_fields.is_some()
        || terms.range_buckets.is_some()
}

fn shown(rule: &Rule) -> String {
    format!("{} ({}:{})", rule.id, rule.file, rule.line)
}

/// The lines of a rule: they stand together.
fn lines_of(lines: &[Line], rule: Index) -> &[Line] {
    let start = lines.partition_point(|line| line.rule < rule);
    let end = lines.partition_point(|line| line.rule <= rule);
    lines.get(start..end).unwrap_or_default()
}
