//! Single flight: concurrent misses of one key are one load, and all share its result.

use std::{
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

/// The loads under way.
#[derive(Debug)]
pub(crate) struct Flights<K, V> {
    loads: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    pub(crate) fn new() -> Self {
        Self { loads: Mutex::new(HashMap::new()) }
    }

    /// The result of the load under way for `key`, or of `load`. A caller that is dropped in the
    /// middle of its load hands over to the next one that waits.
    pub(crate) async fn run(&self, key: &K, load: impl Future<Output = V>) -> V {
        let cell = Arc::clone(self.lock().entry(key.clone()).or_default());
        let seat = Seat { flights: self, key, cell };
        seat.cell.get_or_init(|| load).await.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's place in a load. Leaving it removes the load when it is over or nobody else waits, so
/// that results are never served to later callers and abandoned loads leave nothing behind.
struct Seat<'a, K: Eq + Hash + Clone, V: Clone> {
    flights: &'a Flights<K, V>,
    key: &'a K,
    cell: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut loads = self.flights.lock();
        let is_ours = loads.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // Two holders are the map and this seat; nobody can join while the map is locked.
        if is_ours && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            loads.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn concurrent_callers_share_one_load_and_later_ones_do_not() {
        let flights = Arc::new(Flights::<u8, u32>::new());
        let loads = Arc::new(AtomicU32::new(0));
        let go = Arc::new(Notify::new());
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let (flights, loads, go) = (Arc::clone(&flights), Arc::clone(&loads), Arc::clone(&go));
                tokio::spawn(async move {
                    let load = async {
                        go.notified().await;
                        loads.fetch_add(1, Ordering::SeqCst) + 1
                    };
                    flights.run(&7, load).await
                })
            })
            .collect();
        while flights.lock().get(&7).is_none_or(|cell| Arc::strong_count(cell) < 101) {
            tokio::task::yield_now().await;
        }
        go.notify_one();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), 1);
        }
        assert!(flights.lock().is_empty());
        assert_eq!(flights.run(&7, async { 9 }).await, 9);
    }

    #[tokio::test]
    async fn a_dropped_caller_hands_over_and_leaves_nothing_behind() {
        let flights = Arc::new(Flights::<u8, u32>::new());
        let stuck = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(&1, std::future::pending()).await }
        });
        while flights.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let next = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(&1, async { 5 }).await }
        });
        while flights.lock().get(&1).is_none_or(|cell| Arc::strong_count(cell) < 3) {
            tokio::task::yield_now().await;
        }
        stuck.abort();
        assert_eq!(next.await.unwrap(), 5);
        assert!(flights.lock().is_empty());

        let alone = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.run(&1, std::future::pending()).await }
        });
        while flights.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        alone.abort();
        assert!(alone.await.is_err());
        assert!(flights.lock().is_empty());
    }
}
