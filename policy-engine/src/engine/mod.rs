//! How a question becomes an outcome: the index picks candidate lines, casbin decides over them, and the
//! outcome is kept for the same question.

mod memo;
mod referee;
mod worker;

pub(crate) use referee::probe;
pub(crate) use worker::decide;
