//! Unwraps that are wanted at the same time go to the key service together.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::{
    provider::{DekBytes, KekProvider, ProviderError},
    scope::WrappedDek,
};

/// At most so many data keys are in one call.
const LARGEST: usize = 200;

/// The unwraps for one key service: one call is under way at a time, and what is asked for meanwhile
/// goes into the next.
pub(crate) struct Batches {
    provider: Arc<dyn KekProvider>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    asked: Vec<Asked>,
    runs: bool,
}

struct Asked {
    dek: WrappedDek,
    answer: oneshot::Sender<Result<DekBytes, ProviderError>>,
}

impl Batches {
    pub(crate) fn new(provider: Arc<dyn KekProvider>) -> Arc<Self> {
        Arc::new(Self { provider, waiting: Mutex::default() })
    }

    /// Unwraps one data key, in a call that may carry others.
    pub(crate) async fn unwrap(self: &Arc<Self>, dek: WrappedDek) -> Result<DekBytes, ProviderError> {
        let (answer, answered) = oneshot::channel();
        let starts = {
            let mut waiting = self.waiting();
            waiting.asked.push(Asked { dek, answer });
            !mem::replace(&mut waiting.runs, true)
        };
        if starts {
            // A task of its own: a caller that goes away must not take the others' call with it.
            tokio::spawn(Arc::clone(self).run());
        }
        answered.await.unwrap_or(Err(ProviderError::BadAnswer))
    }

    async fn run(self: Arc<Self>) {
        // Callers that were woken together are all in before the first call leaves.
        tokio::task::yield_now().await;
        while let Some(batch) = self.next() {
            let (deks, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|asked| (asked.dek, asked.answer)).unzip();
            match self.provider.unwrap(&deks).await {
                Ok(results) if results.len() == answers.len() => {
                    for (answer, result) in answers.into_iter().zip(results) {
                        let _ = answer.send(result);
                    }
                }
                Ok(_) => refuse(answers, &ProviderError::BadAnswer),
                Err(error) => refuse(answers, &error),
            }
        }
    }

    fn next(&self) -> Option<Vec<Asked>> {
        let mut waiting = self.waiting();
        waiting.asked.retain(|asked| !asked.answer.is_closed());
        if waiting.asked.is_empty() {
            waiting.runs = false;
            return None;
        }
        let size = waiting.asked.len().min(LARGEST);
        Some(waiting.asked.drain(..size).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(answers: Vec<oneshot::Sender<Result<DekBytes, ProviderError>>>, error: &ProviderError) {
    for answer in answers {
        let _ = answer.send(Err(error.clone()));
    }
}
