use super::*;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

/// A key service that is out, hangs, or refuses, as it is told.
#[derive(Default)]
struct Service {
    is_out: AtomicBool,
    hangs: AtomicBool,
    denies: AtomicBool,
    asked: AtomicUsize,
}

#[async_trait]
impl KekProvider for Service {
    async fn create_kek(&self, _: &KekName) -> Result<(), ProviderError> {
        self.asked.fetch_add(1, SeqCst);
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.denies.load(SeqCst) {
            return Err(ProviderError::Disabled);
        }
        if self.is_out.load(SeqCst) { Err(ProviderError::Unavailable(Arc::new(Late(Duration::ZERO)))) } else { Ok(()) }
    }

    async fn wrap(&self, _: &KekName, _: &DekBytes, _: &WrapContext) -> Result<Vec<u8>, ProviderError> {
        Err(ProviderError::Unsupported)
    }

    async fn unwrap(&self, _: &[WrappedDek]) -> Result<Vec<Result<DekBytes, ProviderError>>, ProviderError> {
        Err(ProviderError::Unsupported)
    }

    async fn destroy(&self, _: &KekName) -> Result<Destruction, ProviderError> {
        Err(ProviderError::Unsupported)
    }

    async fn examine(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// Milliseconds of a clock that tests move.
#[derive(Clone, Default)]
struct Watch(Arc<AtomicU64>);

impl Watch {
    fn pass(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, SeqCst);
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(SeqCst))
    }
}

fn guarded(config: GuardConfig) -> (Arc<Service>, Guarded, KekName, Watch) {
    let (service, watch) = (Arc::new(Service::default()), Watch::default());
    let kek = KekName::new("k-aaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    let clock = Clock::from_fn({
        let watch = watch.clone();
        move || watch.now()
    });
    (Arc::clone(&service), Guarded::with_clock(service, config, clock), kek, watch)
}

#[tokio::test]
async fn a_dead_service_is_not_asked_again_and_again_and_a_live_one_is_found_within_two_seconds() {
    let (service, guard, kek, watch) = guarded(GuardConfig::default());
    service.is_out.store(true, SeqCst);
    for _ in 0..1000 {
        assert!(guard.create_kek(&kek).await.unwrap_err().is_outage());
    }
    assert_eq!(service.asked.load(SeqCst), 3, "the breaker opens with the third outage");
    for _ in 0..600 {
        watch.pass(100);
        let _ = guard.create_kek(&kek).await;
    }
    let asked = service.asked.load(SeqCst);
    assert!((50..120).contains(&asked), "{asked} trials in a minute");
    assert!(guard.health().open_for.is_some());

    service.is_out.store(false, SeqCst);
    let back = watch.now();
    while guard.create_kek(&kek).await.is_err() {
        watch.pass(10);
    }
    let waited = watch.now() - back;
    assert!(waited <= Duration::from_secs(2), "{waited:?}");
    assert_eq!(guard.health().open_for, None);
    assert!(guard.create_kek(&kek).await.is_ok());
}

#[tokio::test]
async fn a_call_ends_with_its_deadline_and_hung_trials_do_not_pile_up() {
    let (service, guard, kek, watch) =
        guarded(GuardConfig { deadline: Duration::from_millis(50), ..GuardConfig::default() });
    let guard = Arc::new(guard);
    service.hangs.store(true, SeqCst);
    for _ in 0..3 {
        let began = std::time::Instant::now();
        assert!(matches!(guard.create_kek(&kek).await, Err(ProviderError::Unavailable(_))));
        assert!(began.elapsed() >= Duration::from_millis(50));
    }
    watch.pass(2000);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (guard, kek) = (Arc::clone(&guard), kek.clone());
            tokio::spawn(async move { guard.create_kek(&kek).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_err());
    }
    assert_eq!(service.asked.load(SeqCst), 4, "one trial at a time");
}

#[tokio::test]
async fn refusals_are_no_outages() {
    let (service, guard, kek, _) = guarded(GuardConfig::default());
    service.denies.store(true, SeqCst);
    for _ in 0..100 {
        assert!(matches!(guard.create_kek(&kek).await, Err(ProviderError::Disabled)));
    }
    assert_eq!((service.asked.load(SeqCst), guard.health().open_for), (100, None));
}

#[tokio::test]
async fn a_service_gets_its_rate_and_one_burst() {
    let rate = NonZeroU32::new(10).unwrap();
    let (service, guard, kek, watch) = guarded(GuardConfig { rate, ..GuardConfig::default() });
    let mut refused = 0;
    for _ in 0..1000 {
        match guard.create_kek(&kek).await {
            Ok(()) => {}
            Err(ProviderError::Throttled { after: Some(_) }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        watch.pass(10);
    }
    let asked = service.asked.load(SeqCst);
    assert!((100..=112).contains(&asked), "{asked} calls in ten seconds");
    assert_eq!(refused + asked, 1000);
}
