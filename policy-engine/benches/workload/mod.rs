//! Policies and questions of any size, made up but shaped like real ones, the same in every run.
//!
//! A tenant has a role for each ten rules, a quarter of which inherit another; users hold one to three roles, half
//! of them by groups. Rules name upstreams, models and collections by literals, `*` and `**`; one in seven denies,
//! one in ten has one of eight conditions.

use policy_engine::{Action, Document, Facts, Label, Query, Resource};
use std::fmt::Write;
use vocab::{GroupName, PrincipalId, TenantId};

/// How large a policy is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The rules of all tenants together.
    pub rules: usize,
    /// The tenants.
    pub tenants: usize,
}

/// A rule, for engines that read no document.
#[derive(Debug, Clone)]
pub struct RuleSpec {
    /// Whether it allows or denies.
    pub effect: &'static str,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// The role.
    pub role: usize,
    /// The pattern.
    pub on: String,
    /// Which of [`CONDITIONS`] it has.
    pub condition: Option<usize>,
}

/// The rules and roles of one tenant.
#[derive(Debug, Clone)]
pub struct TenantSpec {
    /// The tenant.
    pub id: String,
    /// Which role each role inherits.
    pub inherits: Vec<Option<usize>>,
    /// Which roles each user holds by name, and by a group of its own.
    pub users: Vec<(Vec<usize>, Vec<usize>)>,
    /// The rules.
    pub rules: Vec<RuleSpec>,
}

/// The conditions, each with the same in Cedar.
pub const CONDITIONS: [(&str, &str); 8] = [
    ("\"pii.card\" in labels", "context.labels.contains(\"pii.card\")"),
    ("!(\"pii.card\" in labels)", "!context.labels.contains(\"pii.card\")"),
    ("call.tokens < 4000", "context.tokens < 4000"),
    ("call.tokens >= 16000", "context.tokens >= 16000"),
    ("now > 1700000000", "context.now > 1700000000"),
    ("!(\"pii.iban\" in labels)", "!context.labels.contains(\"pii.iban\")"),
    (
        "call.tokens < 8000 && !(\"pii.iban\" in labels)",
        "context.tokens < 8000 && !context.labels.contains(\"pii.iban\")",
    ),
    (
        "\"pii.email\" in labels || call.tokens < 2000",
        "context.labels.contains(\"pii.email\") || context.tokens < 2000",
    ),
];

const TERMS: [&str; 4] = [
    "",
    "then = { pseudonymise = [\"pii.email\"] }\n",
    "then = { pseudonymise = [\"pii.email\", \"pii.phone\"], record = \"digest\" }\n",
    "then = { record = \"content\" }\n",
];

/// A deterministic source of choices.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A source by its seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (sides.max(1) as u64)).unwrap_or_default()
    }
}

/// The tenants of a size.
#[must_use]
pub fn tenants(size: Size) -> Vec<TenantSpec> {
    (0..size.tenants).map(|n| tenant(n, size.rules / size.tenants)).collect()
}

fn tenant(number: usize, rules: usize) -> TenantSpec {
    let mut dice = Dice::new(number as u64 + 1);
    let roles = (rules / 10).max(4);
    let inherits = (0..roles).map(|role| (role > 0 && dice.roll(4) == 0).then(|| dice.roll(role))).collect();
    let mut held = |most: usize| (0..dice.roll(most + 1)).map(|_| dice.roll(roles)).collect::<Vec<_>>();
    let users = (0..(rules / 2).max(4)).map(|_| (held(2), held(1))).collect();
    let rules = (0..rules).map(|_| rule(&mut dice, roles)).collect();
    TenantSpec { id: format!("t{number}"), inherits, users, rules }
}

fn rule(dice: &mut Dice, roles: usize) -> RuleSpec {
    let (family, actions): (&str, &[&'static str]) = if dice.roll(2) == 0 {
        ("model", &["model.chat", "model.embed"])
    } else {
        ("vector", &["vector.search", "vector.read", "vector.upsert"])
    };
    let actions = if dice.roll(2) == 0 { actions.to_vec() } else { vec![actions[dice.roll(actions.len())]] };
    let (upstream, name) = (dice.roll(UPSTREAMS), dice.roll(NAMES));
    let on = match dice.roll(10) {
        0 => format!("{family}/*/m{name}"),
        1 => format!("{family}/u{upstream}/*"),
        2 => format!("{family}/u{upstream}/**"),
        3 if family == "model" => format!("{family}/u{upstream}/team/**"),
        _ => format!("{family}/u{upstream}/m{name}"),
    };
    RuleSpec {
        effect: if dice.roll(7) == 0 { "deny" } else { "allow" },
        actions,
        role: dice.roll(roles),
        on,
        condition: (dice.roll(10) == 0).then(|| dice.roll(CONDITIONS.len())),
    }
}

const UPSTREAMS: usize = 8;
const NAMES: usize = 40;

/// The document of a tenant.
#[must_use]
pub fn document(tenant: &TenantSpec) -> Document {
    let mut text = format!("version = 1\ntenant = \"{}\"\n[roles]\n", tenant.id);
    for (role, inherits) in tenant.inherits.iter().enumerate() {
        let mut members = Vec::new();
        for (user, (own, by_group)) in tenant.users.iter().enumerate() {
            if own.contains(&role) {
                members.push(format!("u:user{user}"));
            }
            if by_group.contains(&role) {
                members.push(format!("group:group{user}"));
            }
        }
        let inherits: Vec<String> = inherits.iter().map(|role| format!("r{role}")).collect();
        let _ = writeln!(text, "r{role} = {{ members = {members:?}, inherits = {inherits:?} }}");
    }
    for (number, rule) in tenant.rules.iter().enumerate() {
        let RuleSpec { effect, actions, role, on, condition } = rule;
        let _ = write!(
            text,
            "[[rule]]\nid = \"{}-{number}\"\n{effect} = {actions:?}\nroles = [\"r{role}\"]\non = \"{on}\"\n",
            tenant.id
        );
        if let Some((source, _)) = condition.and_then(|at| CONDITIONS.get(at)) {
            let _ = writeln!(text, "when = '{source}'");
        }
        if *effect == "allow" {
            text.push_str(TERMS[number % TERMS.len()]);
        }
    }
    Document { name: format!("{}.toml", tenant.id), text }
}

/// A question that owns its parts.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The tenant.
    pub tenant: TenantId,
    /// The number of the tenant.
    pub at: usize,
    /// The user.
    pub principal: PrincipalId,
    /// The number of the user.
    pub user: usize,
    /// The groups of the user.
    pub groups: Vec<GroupName>,
    /// The action.
    pub action: Action,
    /// The resource.
    pub resource: Resource,
    /// The facts.
    pub facts: Facts,
}

impl Ask {
    /// The question.
    #[must_use]
    pub fn query(&self) -> Query<'_> {
        Query {
            tenant: &self.tenant,
            principal: &self.principal,
            groups: &self.groups,
            claims: &[],
            action: self.action,
            resource: &self.resource,
            facts: &self.facts,
        }
    }
}

/// Questions, most of them about what some rule of the user's own roles names.
#[must_use]
pub fn asks(tenants: &[TenantSpec], many: usize) -> Vec<Ask> {
    let mut dice = Dice::new(7);
    let by_role: Vec<Vec<Vec<usize>>> = tenants.iter().map(by_role).collect();
    (0..many)
        .map(|n| {
            let at = dice.roll(tenants.len());
            ask((at, &tenants[at], &by_role[at]), n, &mut dice)
        })
        .collect()
}

fn by_role(tenant: &TenantSpec) -> Vec<Vec<usize>> {
    let mut rules = vec![Vec::new(); tenant.inherits.len()];
    tenant.rules.iter().enumerate().for_each(|(at, rule)| rules[rule.role].push(at));
    rules
}

fn ask((at, tenant, by_role): (usize, &TenantSpec, &[Vec<usize>]), number: usize, dice: &mut Dice) -> Ask {
    let user = dice.roll(tenant.users.len());
    let (own, by_group) = &tenant.users[user];
    let mine: Vec<usize> = own.iter().chain(by_group).flat_map(|role| by_role[*role].iter().copied()).collect();
    let rule = match mine.get(dice.roll(mine.len())) {
        Some(rule) if dice.roll(10) < 8 => &tenant.rules[*rule],
        _ => &tenant.rules[dice.roll(tenant.rules.len())],
    };
    let star = format!("m{}", dice.roll(NAMES));
    // A name of its own for what a pattern leaves open: no question comes twice.
    let rest = format!("x{number}");
    let upstream = format!("u{}", dice.roll(UPSTREAMS));
    let path = match rule.on.as_str() {
        on if on.contains("/*/") => on.replace('*', &upstream),
        on if on.ends_with("**") => on.replace("**", &rest),
        on => on.replace('*', &star),
    };
    let labels = ["pii.email", "pii.card", "pii.iban"].into_iter().filter(|_| dice.roll(4) == 0);
    let facts = Facts {
        labels: labels.map(|label| Label::new(label).unwrap()).collect(),
        now: 1_800_000_000,
        token_estimate: dice.roll(20_000) as u64,
        ..Facts::default()
    };
    Ask {
        tenant: TenantId::new(&tenant.id).unwrap(),
        at,
        principal: PrincipalId::new(&format!("user{user}")).unwrap(),
        user,
        groups: vec![GroupName::new(&format!("group{user}")).unwrap()],
        action: rule.actions[dice.roll(rule.actions.len())].parse().unwrap(),
        resource: path.parse().unwrap(),
        facts,
    }
}
