//! Requests made up from a tenant's own names and patterns.

use super::verify::Asker;
use crate::action::Action;
use crate::resource::Resource;
use crate::set::Tenant;
use ring::digest::{Context, SHA256};
use vocab::{GroupName, PrincipalId};

/// A deterministic source of choices (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    /// Choices that depend on these texts alone.
    pub(super) fn new(digest: &str, tenant: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(digest.as_bytes());
        hash.update(tenant.as_bytes());
        let seed = hash.finish().as_ref().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        Self(seed)
    }

    /// A number below `sides`; 0 if there is none.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let rolled = (z ^ (z >> 31)).checked_rem(u64::try_from(sides).unwrap_or(u64::MAX)).unwrap_or_default();
        usize::try_from(rolled).unwrap_or_default()
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.roll(all.len()))
    }
}

/// How many paths are tried before the request is given up: most patterns give a path at once.
const TRIES: usize = 16;

/// What requests about a tenant are made of.
pub(super) struct Sampler<'t> {
    tenant: &'t Tenant,
    /// Whom the documents name, sorted: a map has no order of its own.
    users: Vec<&'t PrincipalId>,
    groups: Vec<&'t GroupName>,
}

impl<'t> Sampler<'t> {
    pub(super) fn new(tenant: &'t Tenant) -> Self {
        let mut users: Vec<&PrincipalId> = tenant.users.keys().collect();
        users.sort_unstable();
        let mut groups: Vec<&GroupName> = tenant.groups.keys().collect();
        groups.sort_unstable();
        Self { tenant, users, groups }
    }

    /// A request that some rule is likely to be about; `None` if the tenant has no rule.
    pub(super) fn request(&self, dice: &mut Dice) -> Option<Asker> {
        let line = dice.one_of(&self.tenant.lines)?;
        let actions: Vec<Action> = line.actions.iter().collect();
        let action = match dice.roll(4) {
            0 => *dice.one_of(&Action::ALL)?,
            _ => *dice.one_of(&actions)?,
        };
        let path = (0..TRIES).find_map(|_| {
            let path = self.filled(line.pattern.as_str(), dice);
            path.parse::<Resource>().ok().map(|_| path)
        })?;
        let user = self.users.get(dice.roll(self.users.len() + 1));
        let principal = user.map(|id| (*id).clone()).or_else(|| PrincipalId::new("stranger").ok())?;
        let groups = (0..dice.roll(4)).filter_map(|_| dice.one_of(&self.groups).map(|name| (*name).clone()));
        Some(Asker { principal, groups: groups.collect(), action, path })
    }

    /// A path that the pattern matches, or almost: now and then a segment is another one, too few or too many.
    fn filled(&self, pattern: &str, dice: &mut Dice) -> String {
        let mut path: Vec<&str> = Vec::new();
        for segment in pattern.split('/') {
            match segment {
                "*" => path.push(self.word(dice)),
                "**" if path.is_empty() => path.push("model"),
                "**" => (0..dice.roll(3)).for_each(|_| path.push(self.word(dice))),
                literal => path.push(literal),
            }
        }
        match dice.roll(8) {
            0 => drop(path.pop()),
            1 => path.push(self.word(dice)),
            2 => path.last_mut().into_iter().for_each(|last| *last = self.word(dice)),
            _ => {}
        }
        path.join("/")
    }

    /// A segment of one of the tenant's patterns, or one of none.
    fn word(&self, dice: &mut Dice) -> &'t str {
        let segments = dice.one_of(&self.tenant.lines).map(|line| line.pattern.segments().skip(1).collect::<Vec<_>>());
        let segment = dice.one_of(&segments.unwrap_or_default()).copied();
        segment.filter(|segment| !segment.contains('*')).unwrap_or("other")
    }
}
