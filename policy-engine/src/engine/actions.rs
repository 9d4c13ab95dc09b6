//! Sets of actions, one bit each.

use crate::action::Action;

/// A set of actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActionSet(u32);

const _: () = assert!(Action::ALL.len() <= 32, "an action is one bit of 32");

impl ActionSet {
    pub(crate) const fn of(action: Action) -> Self {
        Self(1 << (action as u32))
    }

    /// Whether an action is in both sets.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether each action is in the other set too.
    pub(crate) const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its actions, in their fixed order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.meets(Self::of(*action)))
    }
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |all, action| all | Self::of(action).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_a_bit_of_its_own() {
        let all: ActionSet = Action::ALL.into_iter().collect();
        assert!(all.iter().eq(Action::ALL));
        assert!(ActionSet::default().is_empty() && !all.is_empty());
        for one in Action::ALL {
            for other in Action::ALL {
                assert_eq!(ActionSet::of(one).meets(ActionSet::of(other)), one == other);
            }
        }
    }
}
