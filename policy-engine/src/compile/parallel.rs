//! Threads of the compiler.
//!
//! The CEL parser recurses for each bracket, with large frames: stacks of our own keep a hostile condition from
//! taking the process down, whichever thread calls. Two threads, not more: calls are decided meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};

/// Room for [`crate::condition`]'s deepest condition in an unoptimised build, about twice over. It is
/// reserved, not used.
const STACK: usize = 16 << 20;

/// Fewer items than this are not worth a second thread.
const FEW: usize = 8;

/// A thread could not be started, or panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Halted;

/// Runs `work` on a thread with a large stack.
pub(super) fn on_one<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, Halted> {
    scope(|scope| join(spawn(scope, work)?))
}

/// Applies `work` to each item, on two threads if there are many. The results come in the order of the items.
pub(super) fn on_two<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Result<Vec<R>, Halted> {
    if items.len() < FEW {
        return Ok(items.iter().map(work).collect());
    }
    let next = AtomicUsize::new(0);
    let share = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let mut done = scope(|scope| {
        let other = spawn(scope, share)?;
        let mut own = share();
        own.extend(join(other)?);
        Ok::<_, Halted>(own)
    })?;
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

fn spawn<'s, R: Send + 's>(
    scope: &'s Scope<'s, '_>,
    work: impl FnOnce() -> R + Send + 's,
) -> Result<ScopedJoinHandle<'s, R>, Halted> {
    Builder::new().name("policy-compile".into()).stack_size(STACK).spawn_scoped(scope, work).map_err(|_| Halted)
}

fn join<R>(thread: ScopedJoinHandle<'_, R>) -> Result<R, Halted> {
    thread.join().map_err(|_| Halted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_items() {
        for many in [0_usize, 1, FEW - 1, FEW, 1000] {
            let items: Vec<usize> = (0..many).collect();
            let expected: Vec<usize> = items.iter().map(|n| n * 3).collect();
            assert_eq!(on_two(&items, |n| n * 3), Ok(expected));
        }
    }

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(on_one(|| panic!("planted")), Err::<(), _>(Halted));
    }
}
