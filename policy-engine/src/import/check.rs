//! The checks between the texts of a pair and casbin.

use super::departure::{Departure, Fault, holds_dotted_text, is_section_key};
use super::expr::{Expr, Path};
use super::functions::function;
use super::model::{Defined, ModelText};
use super::parse::expression;
use super::plan::{EffectRule, Plan, RoleKind, Scope};
use super::rows::{self, Row};
use super::{CasbinText, Matching, Part, Reason, Refusal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many lines a policy may have. Casbin evaluates its matcher once a line.
const MAX_ROWS: usize = 200_000;

/// The effects of lines. A line that is `indeterminate` decides nothing.
const EFFECTS: [&str; 3] = ["allow", "deny", "indeterminate"];

/// Checks a pair. Every refusal is reported.
pub(super) fn check(text: CasbinText<'_>, matching: Matching) -> Result<Plan, Vec<Refusal>> {
    let (model, rows) = match (ModelText::read(text.model), rows::read(text.policy)) {
        (Ok(model), Ok(rows)) => (model, rows),
        (model, rows) => {
            let (model, rows) = (model.err().unwrap_or_default(), rows.err().unwrap_or_default());
            return Err(model.into_iter().chain(rows).collect());
        }
    };
    let mut checker = Checker { refusals: Vec::new() };
    let plan = checker.plan(&model, rows, matching);
    match plan {
        Some(plan) if checker.refusals.is_empty() => Ok(plan),
        _ => Err(checker.refusals),
    }
}

struct Checker {
    refusals: Vec<Refusal>,
}

impl Checker {
    fn model(&mut self, line: usize, reason: Reason, detail: impl Into<String>) {
        self.refusals.push(Refusal::new(Part::Model, line, reason, detail));
    }

    fn policy(&mut self, line: usize, reason: Reason, detail: impl Into<String>) {
        self.refusals.push(Refusal::new(Part::Policy, line, reason, detail));
    }

    fn plan(&mut self, model: &ModelText, rows: Vec<Row>, matching: Matching) -> Option<Plan> {
        let tokens = model.of("r").map(|d| self.tokens(d))?;
        let widths: BTreeMap<&str, Vec<String>> =
            model.keys("p").map(|(key, defined)| (key.as_str(), self.tokens(defined))).collect();
        let roles: Vec<RoleKind> = model.keys("g").filter_map(|(key, defined)| self.role_kind(key, defined)).collect();
        let effect = self.effect(model);
        let (matcher, effect_definition) = (model.of("m")?, model.of("e")?);
        let expr = match expression(&matcher.text) {
            Ok(expr) => expr,
            Err(bad) => {
                self.model(matcher.line, bad.reason, bad.detail);
                return None;
            }
        };
        let columns = widths.get("p")?.clone();
        let (lines, links) = self.rows(rows, &widths, &roles);
        let mut plan = Plan {
            tokens,
            columns,
            effect: effect?,
            matcher: expr,
            matcher_line: matcher.line,
            effect_line: effect_definition.line,
            roles,
            rows: lines,
            links,
            matching,
            departures: model.comments.iter().map(|line| Departure::model(*line, Fault::Comments)).collect(),
        };
        self.matcher(&mut plan);
        self.effects_of_lines(&plan);
        self.evaluated_columns(&mut plan);
        self.patterns(&plan);
        self.order(&mut plan);
        self.role_depth(&plan);
        // Without a look at the policy, casbin decides once; casbin-rs would decide once a line.
        if !reads_policy(&plan.matcher) {
            let eft = plan.column("eft");
            if plan.rows.iter().any(|row| eft.and_then(|at| row.values.get(at)).is_some_and(|eft| eft != "allow")) {
                plan.departures.push(Departure::model(plan.matcher_line, Fault::PolicyNotRead));
            }
            plan.rows.clear();
        }
        plan.follow_domain_patterns();
        if plan.matching.roles.is_some() && !plan.roles.is_empty() {
            plan.departures.push(Departure::model(plan.matcher_line, Fault::RolePatterns));
        }
        plan.departures.sort_unstable();
        Some(plan)
    }

    fn tokens(&mut self, defined: &Defined) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        for token in defined.text.split(',').map(str::trim) {
            let is_name = token.starts_with(|c: char| c.is_ascii_alphabetic())
                && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !is_name || tokens.iter().any(|t| t == token) {
                self.model(defined.line, Reason::BadToken, token);
            }
            tokens.push(token.to_owned());
        }
        tokens
    }

    fn role_kind(&mut self, key: &str, defined: &Defined) -> Option<RoleKind> {
        let scope = match defined.text.replace(' ', "").as_str() {
            "_,_" => Scope::Everywhere,
            "_,_,_" => Scope::Domain,
            _ => {
                self.model(defined.line, Reason::RoleDefinition, defined.text.clone());
                return None;
            }
        };
        Some(RoleKind { key: key.to_owned(), scope })
    }

    fn effect(&mut self, model: &ModelText) -> Option<EffectRule> {
        let defined = model.of("e")?;
        let effect = EffectRule::read(&defined.text);
        if effect.is_none() {
            self.model(defined.line, Reason::UnsupportedEffect, defined.text.clone());
        }
        effect
    }

    /// Sorts the lines into policy and roles. Lines of `p2` and on are checked and dropped: nothing asks them.
    fn rows(
        &mut self,
        rows: Vec<Row>,
        widths: &BTreeMap<&str, Vec<String>>,
        roles: &[RoleKind],
    ) -> (Vec<Row>, Vec<Row>) {
        let (mut lines, mut links) = (Vec::new(), Vec::new());
        if rows.len() > MAX_ROWS {
            self.policy(0, Reason::TooLarge, format!("at most {MAX_ROWS} lines"));
        }
        for row in rows {
            let role = roles.iter().find(|kind| kind.key == row.kind);
            let wanted = widths.get(row.kind.as_str()).map(Vec::len).or_else(|| role.map(|kind| kind.scope.arity()));
            // Casbin takes role lines with more values: applications keep their own data there.
            let wanted = if role.is_some() { wanted.map(|wanted| wanted.max(row.values.len())) } else { wanted };
            match wanted {
                None => self.policy(row.line, Reason::UnknownLine, row.kind),
                Some(wanted) if wanted != row.values.len() => {
                    self.policy(row.line, Reason::Columns, format!("{} instead of {wanted}", row.values.len()));
                }
                Some(_) if role.is_some() => links.push(row),
                Some(_) if row.kind == "p" => lines.push(row),
                Some(_) => {}
            }
        }
        (lines, links)
    }

    fn matcher(&mut self, plan: &mut Plan) {
        if holds_dotted_text(&plan.matcher) {
            plan.departures.push(Departure::model(plan.matcher_line, Fault::DottedText));
        }
        for (reason, detail) in faults(plan, &plan.matcher, Evaluation::Outer) {
            self.model(plan.matcher_line, reason, detail);
        }
    }

    fn effects_of_lines(&mut self, plan: &Plan) {
        let Some(column) = plan.column("eft") else { return };
        for row in &plan.rows {
            if let Some(effect) = row.values.get(column).filter(|e| !EFFECTS.contains(&e.as_str())) {
                self.policy(row.line, Reason::LineEffect, effect.clone());
            }
        }
    }

    /// Reads the expressions that policy lines hold, and writes them anew.
    fn evaluated_columns(&mut self, plan: &mut Plan) {
        let mut columns = BTreeSet::new();
        plan.matcher.walk(&mut |expr| {
            if let Expr::Call(name, arguments) = expr
                && name == "eval"
                && let [Expr::Path(path)] = arguments.as_slice()
            {
                columns.extend(path.column().and_then(|name| plan.column(name)));
            }
        });
        let mut rows = std::mem::take(&mut plan.rows);
        for row in &mut rows {
            for column in &columns {
                let Some(text) = row.values.get_mut(*column) else { continue };
                match expression(text) {
                    Ok(expr) => {
                        for (reason, detail) in faults(plan, &expr, Evaluation::Inner) {
                            self.policy(row.line, reason, detail);
                        }
                        for pattern in bad_patterns(&expr, |_| None) {
                            self.policy(row.line, Reason::BadPattern, pattern);
                        }
                        if holds_dotted_text(&expr) {
                            plan.departures.push(Departure::policy(row.line, Fault::DottedText));
                        }
                        *text = plan.for_casbin(&expr);
                    }
                    Err(bad) => {
                        let name = plan.columns.get(*column).map(String::as_str).unwrap_or_default();
                        self.policy(row.line, bad.reason, format!("in {name}: {}", bad.detail));
                    }
                }
            }
        }
        plan.rows = rows;
    }

    fn patterns(&mut self, plan: &Plan) {
        if plan.rows.is_empty() {
            for pattern in bad_patterns(&plan.matcher, |_| None) {
                self.model(plan.matcher_line, Reason::BadPattern, pattern);
            }
        }
        for row in &plan.rows {
            let value = |path: &Path| row.values.get(plan.column(path.column()?)?).map(String::as_str);
            for pattern in bad_patterns(&plan.matcher, value) {
                self.policy(row.line, Reason::BadPattern, pattern);
            }
        }
    }

    /// Puts lines with a priority in its order, as Go's casbin does: casbin-rs takes them as they stand.
    fn order(&mut self, plan: &mut Plan) {
        let Some(column) = plan.column("priority").filter(|_| plan.effect == EffectRule::First) else {
            return;
        };
        let mut keyed = Vec::new();
        for row in std::mem::take(&mut plan.rows) {
            match row.values.get(column).and_then(|v| v.parse::<i64>().ok()) {
                Some(priority) => keyed.push((priority, row)),
                None => self.policy(row.line, Reason::Priority, row.values.get(column).cloned().unwrap_or_default()),
            }
        }
        let late = keyed.iter().zip(keyed.iter().skip(1)).find(|((before, _), (priority, _))| priority < before);
        if let Some((_, (_, row))) = late {
            plan.departures.push(Departure::policy(row.line, Fault::Priorities));
        }
        keyed.sort_by_key(|(priority, _)| *priority);
        plan.rows = keyed.into_iter().map(|(_, row)| row).collect();
    }

    /// Casbin keeps one graph of roles for all kinds, and follows it for 10 steps at most.
    fn role_depth(&mut self, plan: &Plan) {
        let mut held: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        let mut first_line: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for row in &plan.links {
            if let [holder, role, domain @ ..] = row.values.as_slice() {
                let domain = domain.first().map(String::as_str).unwrap_or_default();
                held.entry((domain, holder)).or_default().push(role);
                first_line.entry((domain, holder)).or_insert(row.line);
            }
        }
        for ((domain, holder), line) in first_line {
            let mut seen = BTreeSet::from([holder]);
            let mut next = VecDeque::from([(holder, 0_usize)]);
            while let Some((name, depth)) = next.pop_front() {
                if depth >= 10 {
                    self.policy(line, Reason::RoleDepth, format!("from {holder} to {name}"));
                    break;
                }
                for role in held.get(&(domain, name)).into_iter().flatten() {
                    if seen.insert(role) {
                        next.push_back((role, depth + 1));
                    }
                }
            }
        }
    }
}

/// Whether an expression stands in the model or in a line of the policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evaluation {
    Outer,
    Inner,
}

/// Names that nothing defines, functions that are not there, and `eval` of anything but a column.
fn faults(plan: &Plan, expr: &Expr, place: Evaluation) -> Vec<(Reason, String)> {
    let mut found = Vec::new();
    expr.walk(&mut |expr| match expr {
        Expr::Path(path) => {
            let known = match path.root.as_str() {
                "r" => plan.tokens.contains(&path.field),
                "p" => path.attributes.is_empty() && plan.columns.contains(&path.field),
                _ => false,
            };
            // Casbin rewrites what looks like `r.` or `p.` anywhere.
            if !known || path.attributes.iter().any(|name| is_section_key(name)) {
                found.push((Reason::UnknownName, format!("{}.{}", path.root, path.field)));
            }
        }
        Expr::Call(name, arguments) if name == "eval" => {
            let column = match arguments.as_slice() {
                [Expr::Path(path)] => path.column(),
                _ => None,
            };
            if column.is_none() || place == Evaluation::Inner {
                found.push((Reason::Eval, String::new()));
            }
        }
        Expr::Call(name, arguments) => {
            let arity = plan.kind(name).map(|kind| kind.scope.arity()).or_else(|| function(name).map(|_| 2));
            match arity {
                None => found.push((Reason::UnknownFunction, name.clone())),
                Some(arity) if arity != arguments.len() => {
                    found.push((Reason::Arity, format!("{name} takes {arity}")));
                }
                Some(_) => {}
            }
        }
        _ => {}
    });
    found
}

/// The patterns in an expression that their functions cannot read. `value` gives those that columns hold.
fn bad_patterns<'r>(expr: &Expr, value: impl Fn(&Path) -> Option<&'r str>) -> Vec<String> {
    let mut found = Vec::new();
    expr.walk(&mut |expr| {
        let Expr::Call(name, arguments) = expr else { return };
        let (Some(function), [_, pattern]) = (function(name), arguments.as_slice()) else {
            return;
        };
        let text = match pattern {
            Expr::Text(text) => Some(text.as_str()),
            Expr::Path(path) => value(path),
            _ => None,
        };
        if let Some(text) = text.filter(|text| !(function.reads)(text)) {
            found.push(format!("{name} and {text:?}"));
        }
    });
    found
}

fn reads_policy(matcher: &Expr) -> bool {
    let mut reads = false;
    matcher.walk(&mut |expr| reads |= matches!(expr, Expr::Path(path) if path.root == "p"));
    reads
}
