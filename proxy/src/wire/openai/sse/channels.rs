//! The texts of a stream, each with its own restorer.

use super::super::error::AnswerError;
use content_guard::{Restorer, StreamRestorer, Syntax};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A kind of text of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    ReasoningContent,
    Reasoning,
    Content,
    Refusal,
    FunctionCall,
    /// Arguments of the tool call with this index.
    Arguments(u64),
    /// Input of the custom tool call with this index.
    Input(u64),
}

impl Channel {
    /// Tool calls may take turns; any other text has ended once another one begins.
    const fn takes_turns(self) -> bool {
        matches!(self, Self::Arguments(_) | Self::Input(_))
    }
}

/// Where in a stream a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) choice: u64,
    pub(super) channel: Channel,
}

/// More texts at once are no answer that a client asked for.
const TEXTS_MAX: usize = 4096;

/// The restorers of all texts of a stream.
#[derive(Debug)]
pub(super) struct Channels {
    restorer: Arc<Restorer>,
    open: BTreeMap<Place, StreamRestorer>,
}

impl Channels {
    pub(super) const fn new(restorer: Arc<Restorer>) -> Self {
        Self { restorer, open: BTreeMap::new() }
    }

    /// Takes a piece of a text and gives what is certain of it.
    pub(super) fn push(&mut self, place: Place, syntax: Syntax, piece: &str) -> Result<String, AnswerError> {
        if self.open.len() >= TEXTS_MAX && !self.open.contains_key(&place) {
            return Err(AnswerError::TooManyTexts { limit: TEXTS_MAX });
        }
        let restorer = &self.restorer;
        let stream = self.open.entry(place).or_insert_with(|| StreamRestorer::new(Arc::clone(restorer), syntax));
        Ok(stream.push(piece))
    }

    /// Whether anything is held back.
    pub(super) fn is_holding(&self) -> bool {
        self.open.values().any(StreamRestorer::is_holding)
    }

    /// Ends a text and gives what was held back of it.
    pub(super) fn release(&mut self, place: Place) -> String {
        self.open.get_mut(&place).map(StreamRestorer::finish).unwrap_or_default()
    }

    /// Gives what is held back of other texts of the choice that have ended.
    pub(super) fn release_others(&mut self, choice: u64, channel: Channel) -> Vec<(Place, String)> {
        self.release_where(|p| p.choice == choice && p.channel != channel && !p.channel.takes_turns())
    }

    /// Gives what is held back of a choice.
    pub(super) fn release_choice(&mut self, choice: u64) -> Vec<(Place, String)> {
        self.release_where(|p| p.choice == choice)
    }

    /// Gives all that is held back.
    pub(super) fn release_all(&mut self) -> Vec<(Place, String)> {
        self.release_where(|_| true)
    }

    fn release_where(&mut self, ended: impl Fn(&Place) -> bool) -> Vec<(Place, String)> {
        self.open
            .iter_mut()
            .filter(|(place, stream)| ended(place) && stream.is_holding())
            .map(|(place, stream)| (*place, stream.finish()))
            .collect()
    }
}
