//! The clock of the cache.

use std::{fmt, sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// A clock that never runs backwards: the time since some fixed moment.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// The time since the machine was started. It goes on while the machine sleeps, so that a key
    /// does not outlive its time on a laptop with a closed lid; setting the date does not move it.
    #[must_use]
    pub fn since_boot() -> Self {
        Self::from_fn(|| {
            let now = clock_gettime(ClockId::Boottime);
            // INVARIANT: the time since boot is not negative and its nanoseconds are below 10^9.
            let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
            Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
        })
    }

    /// Any other clock, as tests have it.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> Duration {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_boot_does_not_run_backwards() {
        let clock = Clock::since_boot();
        let first = clock.now();
        assert!(first > Duration::ZERO && clock.now() >= first);
    }
}
