//! Secrets by reference.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use reqwest::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use vocab::Plain;
use zeroize::Zeroize;

use super::{
    access::VaultAccess,
    fault::VaultFault,
    life::{Due, Life},
    session::Session,
    vault_ref::VaultRef,
};

/// Why there is no secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KvError {
    /// There is no secret at the path, or its newest version is deleted.
    #[error("there is no secret at {path}")]
    NoSecret {
        /// Mount and path.
        path: Box<str>,
    },
    /// The secret has no such field, or the field is not a text.
    #[error("the secret at {path} has no text in the field that is named")]
    NoField {
        /// Mount and path.
        path: Box<str>,
    },
    /// The server refuses the path, or knows no such mount.
    #[error("the secret at {path} may not be read")]
    Denied {
        /// Mount and path.
        path: Box<str>,
        /// What the server said.
        #[source]
        fault: VaultFault,
    },
    /// The server does not answer, and what was read before is too old to be used.
    #[error("the secret at {path} cannot be read now")]
    Unavailable {
        /// Mount and path.
        path: Box<str>,
        /// What went wrong.
        #[source]
        fault: VaultFault,
    },
}

/// How long what was read may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvTimes {
    /// After how long a secret without a lease is read again, so that a rotated one is noticed.
    pub reread: Duration,
    /// For how long beyond that it may be used while the server does not answer. A secret with a
    /// lease is never used beyond the lease.
    pub grace: Duration,
}

impl Default for KvTimes {
    /// A minute, and an hour.
    fn default() -> Self {
        Self { reread: Duration::from_secs(60), grace: Duration::from_secs(3600) }
    }
}

/// Reads secrets by [`VaultRef`] and keeps them for a while: of both versions of KV, and of engines
/// that make credentials on demand and lease them (databases, message brokers).
///
/// All fields of a path come from one reading, so that a leased user name and its password belong
/// together. A lease is renewed when two thirds of it are over; when it cannot be renewed, new
/// credentials are read. A lease that was replaced is left to run out, since calls under way may use
/// it.
pub struct VaultKv {
    access: Arc<VaultAccess>,
    times: KvTimes,
    /// The secrets by path. A slot's lock is held by whoever reads or renews it.
    slots: RwLock<BTreeMap<Box<str>, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    seen: RwLock<Option<Arc<Seen>>>,
    flight: Mutex<Option<Engine>>,
}

/// What was read.
struct Seen {
    fields: BTreeMap<String, Arc<Plain<String>>>,
    lease: Option<Lease>,
    read: Duration,
}

#[derive(Clone)]
struct Lease {
    id: String,
    life: Life,
}

/// The engine that holds a path.
#[derive(Debug, Clone)]
enum Engine {
    /// The second version of KV, mounted here.
    Kv2 { mount: Box<str> },
    /// Any other: the path is read as it is.
    Other,
}

impl VaultKv {
    /// A reader without secrets.
    #[must_use]
    pub const fn new(access: Arc<VaultAccess>, times: KvTimes) -> Self {
        Self { access, times, slots: RwLock::new(BTreeMap::new()) }
    }

    /// The secret that a reference names: as it was read, while that is fresh, else from the server.
    ///
    /// # Errors
    /// [`KvError`].
    pub async fn read(&self, of: &VaultRef) -> Result<Arc<Plain<String>>, KvError> {
        let slot = self.slot(of.path());
        let seen = match slot.seen() {
            Some(seen) if !self.is_due(&seen) => seen,
            _ => self.refresh(of.path(), &slot).await?,
        };
        seen.fields.get(of.field()).cloned().ok_or_else(|| KvError::NoField { path: of.path().into() })
    }

    /// Reads and renews what is due, of all paths that were read before. Failures are kept for
    /// [`VaultKv::read`]. Call it every few seconds: while nothing is due, it does nothing.
    pub async fn tick(&self) {
        let slots: Vec<_> = {
            let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
            slots.iter().map(|(path, slot)| (path.clone(), Arc::clone(slot))).collect()
        };
        for (path, slot) in slots {
            if slot.seen().is_some_and(|seen| self.is_due(&seen)) {
                // A reader meets the same failure, and has a caller to tell.
                let _ = self.refresh(&path, &slot).await;
            }
        }
    }

    fn slot(&self, path: &str) -> Arc<Slot> {
        if let Some(slot) = self.slots.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Arc::clone(slot);
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(path.into()).or_default())
    }

    fn is_due(&self, seen: &Seen) -> bool {
        let now = self.access.clock().now();
        match &seen.lease {
            Some(lease) => lease.life.due(now) != Due::Nothing,
            None => now.saturating_sub(seen.read) >= self.times.reread,
        }
    }

    /// Whether what was read may still be used while the server does not answer.
    fn is_usable(&self, seen: &Seen) -> bool {
        let now = self.access.clock().now();
        match &seen.lease {
            Some(lease) => lease.life.due(now) != Due::Ended,
            None => now.saturating_sub(seen.read) < self.times.reread.saturating_add(self.times.grace),
        }
    }

    async fn refresh(&self, path: &str, slot: &Slot) -> Result<Arc<Seen>, KvError> {
        let mut engine = slot.flight.lock().await;
        let old = slot.seen();
        if let Some(seen) = old.as_ref().filter(|seen| !self.is_due(seen)) {
            return Ok(Arc::clone(seen));
        }
        match self.access.within(self.newer(path, &mut engine, old.as_deref())).await {
            Ok(seen) => Ok(slot.put(seen)),
            Err(fault) if is_outage(&fault) => match old.filter(|seen| self.is_usable(seen)) {
                Some(seen) => Ok(seen),
                None => Err(KvError::Unavailable { path: path.into(), fault }),
            },
            Err(fault) => {
                // Deleted or forbidden at the server: what was read before is not to be used.
                slot.forget();
                Err(match &fault {
                    VaultFault::Answered { status: 404, says } if says.is_empty() => {
                        KvError::NoSecret { path: path.into() }
                    }
                    _ => KvError::Denied { path: path.into(), fault },
                })
            }
        }
    }

    /// Renews the lease, or reads the secret.
    async fn newer(&self, path: &str, engine: &mut Option<Engine>, old: Option<&Seen>) -> Result<Seen, VaultFault> {
        if let Some((old, lease)) = old.and_then(|old| old.lease.as_ref().map(|lease| (old, lease)))
            && lease.life.due(self.access.clock().now()) == Due::Renewal
        {
            match self.access.run(async |session: Arc<Session>| renew(&session, &lease.id).await).await {
                Ok(renewed) => {
                    let (ttl, renewable) = (Duration::from_secs(renewed.lease_duration), renewed.renewable);
                    let life = lease.life.renewed(self.access.clock().now(), ttl, renewable);
                    let lease = Some(Lease { id: lease.id.clone(), life });
                    return Ok(Seen { fields: old.fields.clone(), lease, read: old.read });
                }
                Err(fault) if is_outage(&fault) => return Err(fault),
                // Revoked, or renewable no more: new credentials.
                Err(_) => {}
            }
        }
        let engine = match engine {
            Some(engine) => engine.clone(),
            None => {
                let found = self.access.run(async |session: Arc<Session>| engine_of(&session, path).await).await?;
                engine.insert(found).clone()
            }
        };
        let now = self.access.clock().now();
        self.access.run(async |session: Arc<Session>| read(&session, path, &engine, now).await).await
    }
}

impl Slot {
    fn seen(&self) -> Option<Arc<Seen>> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, seen: Seen) -> Arc<Seen> {
        let seen = Arc::new(seen);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&seen));
        seen
    }

    fn forget(&self) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn is_outage(fault: &VaultFault) -> bool {
    fault.clone().into_provider().is_outage()
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

/// What a server answers to a reading, and to the renewal of a lease.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Leased<T> {
    #[serde(default)]
    lease_id: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    data: Option<T>,
}

/// A field; only texts are of use as credentials.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    Other(serde::de::IgnoredAny),
}

/// Asks the server which engine holds a path. Any token may ask for what it may read.
async fn engine_of(session: &Session, path: &str) -> Result<Engine, VaultFault> {
    #[derive(Deserialize)]
    struct Engines {
        path: String,
        r#type: String,
        options: Option<BTreeMap<String, String>>,
    }
    let answer = session.read(&format!("sys/internal/ui/mounts/{path}")).await?.success()?;
    let engine = answer.parse::<Data<Engines>>()?.data;
    let version = engine.options.and_then(|mut options| options.remove("version"));
    if engine.r#type == "kv" && version.as_deref() == Some("2") {
        Ok(Engine::Kv2 { mount: engine.path.trim_end_matches('/').into() })
    } else {
        Ok(Engine::Other)
    }
}

async fn read(session: &Session, path: &str, engine: &Engine, now: Duration) -> Result<Seen, VaultFault> {
    let answered = match engine {
        Engine::Kv2 { mount } => {
            let below = path.strip_prefix(&**mount).and_then(|rest| rest.strip_prefix('/'));
            let below = below.ok_or_else(|| VaultFault::answered(404, ""))?;
            let answer = session.read(&format!("{mount}/data/{below}")).await?;
            // A deleted version is answered as 404 with metadata, and no errors.
            let inner = answer.success()?.parse::<Leased<Data<Option<BTreeMap<String, Field>>>>>()?;
            Leased {
                lease_id: String::new(),
                lease_duration: 0,
                renewable: false,
                data: inner.data.and_then(|d| d.data),
            }
        }
        Engine::Other => session.read(path).await?.success()?.parse::<Leased<BTreeMap<String, Field>>>()?,
    };
    let fields = answered.data.ok_or_else(|| VaultFault::answered(404, ""))?;
    let text = |(name, field): (String, Field)| match field {
        Field::Text(text) => Some((name, Arc::new(Plain::new(text)))),
        Field::Other(_) => None,
    };
    let ttl = Duration::from_secs(answered.lease_duration);
    let lease = (!answered.lease_id.is_empty())
        .then(|| Lease { id: answered.lease_id, life: Life::granted(now, Some(ttl), answered.renewable) });
    Ok(Seen { fields: fields.into_iter().filter_map(text).collect(), lease, read: now })
}

async fn renew(session: &Session, lease_id: &str) -> Result<Leased<serde::de::IgnoredAny>, VaultFault> {
    #[derive(Serialize)]
    struct Renew<'a> {
        lease_id: &'a str,
    }
    let body = serde_json::to_vec(&Renew { lease_id }).map_err(|_| VaultFault::Garbled)?;
    session.call(Method::POST, "sys/leases/renew", Some(body.into())).await?.success()?.parse()
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.id.zeroize();
    }
}

impl fmt::Debug for VaultKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultKv").field("times", &self.times).finish_non_exhaustive()
    }
}
