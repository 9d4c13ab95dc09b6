//! When a token or a lease is due for renewal. Pure: the clock is an argument.

use std::time::Duration;

/// The margin before the end below which nothing relies on it any more: a tenth, at most 5 s.
const MARGIN: Duration = Duration::from_secs(5);

/// How long something granted by a server holds.
///
/// The server's answer counts and not what was asked: a renewal that the maximum TTL caps succeeds
/// with a warning and a shorter time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    since: Duration,
    /// `None`: it does not end.
    ttl: Option<Duration>,
    /// The TTL of the first grant: a renewal that gives less was capped.
    granted: Option<Duration>,
    renewable: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// A renewal; it holds a while longer.
    Renewal,
    /// A fresh grant, ahead of time: it cannot be renewed.
    Replacement,
    /// It has ended, or is about to.
    Ended,
}

impl Life {
    /// A fresh grant.
    pub(super) const fn granted(now: Duration, ttl: Option<Duration>, renewable: bool) -> Self {
        Self { since: now, ttl, granted: ttl, renewable }
    }

    /// After a renewal that gave `ttl`.
    pub(super) fn renewed(self, now: Duration, ttl: Duration, renewable: bool) -> Self {
        // Servers count whole seconds.
        let capped = self.granted.is_some_and(|granted| ttl.saturating_add(Duration::from_secs(1)) < granted);
        Self { since: now, ttl: Some(ttl), granted: self.granted, renewable: renewable && !capped }
    }

    /// What is to be done at `now`.
    pub(super) fn due(&self, now: Duration) -> Due {
        let Some(ttl) = self.ttl else {
            return Due::Nothing;
        };
        let age = now.saturating_sub(self.since);
        if age >= ttl.saturating_sub(MARGIN.min(ttl / 10)) {
            Due::Ended
        } else if age < two_thirds(ttl) {
            Due::Nothing
        } else if self.renewable {
            Due::Renewal
        } else {
            Due::Replacement
        }
    }

    /// How long from `now` until something is due; `None` when nothing ever is.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        self.ttl.map(|ttl| self.since.saturating_add(two_thirds(ttl)).saturating_sub(now))
    }

    /// Since when it holds.
    pub(super) const fn since(&self) -> Duration {
        self.since
    }
}

fn two_thirds(ttl: Duration) -> Duration {
    ttl - ttl / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_renewal_is_due_at_two_thirds_and_the_end_a_margin_before_it() {
        let life = Life::granted(s(100), Some(s(60)), true);
        for (at, due) in [(100, Due::Nothing), (139, Due::Nothing), (140, Due::Renewal), (154, Due::Renewal)] {
            assert_eq!(life.due(s(at)), due, "{at}");
        }
        assert_eq!(life.due(s(155)), Due::Ended);
        assert_eq!(life.wait(s(110)), Some(s(30)));
    }

    #[test]
    fn a_capped_renewal_is_the_last_one() {
        let life = Life::granted(s(0), Some(s(60)), true);
        assert_eq!(life.renewed(s(40), s(59), true).due(s(80)), Due::Renewal);
        assert_eq!(life.renewed(s(40), s(30), true).due(s(60)), Due::Replacement);
        assert_eq!(life.renewed(s(40), s(0), true).due(s(40)), Due::Ended);
    }

    #[test]
    fn what_does_not_end_is_never_due() {
        let life = Life::granted(s(0), None, false);
        assert_eq!((life.due(s(1 << 40)), life.wait(s(1))), (Due::Nothing, None));
    }

    #[test]
    fn a_clock_that_stands_before_the_grant_does_no_harm() {
        assert_eq!(Life::granted(s(50), Some(s(10)), true).due(s(1)), Due::Nothing);
    }
}
