//! Reading objects of a body, field by field, so that what is not read is refused.

use super::error::{WireError, tame};
use content_guard::json::{Kind, Value};
use core::fmt;
use std::borrow::Cow;

/// Where in the body a value is, for error texts.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Body,
    Field(&'a At<'a>, &'static str),
    Item(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("the body"),
            Self::Field(At::Body, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// An object whose fields are taken one by one.
pub(super) struct Object<'d, 'a> {
    at: &'a At<'a>,
    members: Vec<(Cow<'d, str>, Value<'d>)>,
}

impl<'d, 'a> Object<'d, 'a> {
    pub(super) fn of(value: Value<'d>, at: &'a At<'a>) -> Result<Self, WireError> {
        if value.kind() != Kind::Object {
            return Err(WireError::wrong(at, "an object"));
        }
        let members = value.members().map(|(key, value)| (key.text().unwrap_or_default(), value)).collect();
        Ok(Self { at, members })
    }

    /// Takes a field; null is the same as absent, as Qdrant has it.
    pub(super) fn take(&mut self, name: &str) -> Option<Value<'d>> {
        let place = self.members.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.members.swap_remove(place);
        (value.kind() != Kind::Null).then_some(value)
    }

    /// Takes a field that must be there.
    pub(super) fn need(&mut self, name: &'static str) -> Result<Value<'d>, WireError> {
        self.take(name).ok_or_else(|| WireError::Missing { at: At::Field(self.at, name).to_string() })
    }

    /// Refuses fields that are known to Qdrant and not offered here.
    pub(super) fn refuse(&mut self, names: &[&'static str], why: &'static str) -> Result<(), WireError> {
        for name in names {
            if self.take(name).is_some() {
                return Err(WireError::unsupported(format!("{} is", At::Field(self.at, name)), why));
            }
        }
        Ok(())
    }

    /// Refuses every field that was not taken.
    pub(super) fn finish(self) -> Result<(), WireError> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => {
                let at = match self.at {
                    At::Body => tame(name).to_owned(),
                    at => format!("{at}.{}", tame(name)),
                };
                Err(WireError::UnknownField { at })
            }
        }
    }
}

/// The items of a list.
pub(super) fn list<'d>(value: Value<'d>, at: &At<'_>) -> Result<impl Iterator<Item = Value<'d>> + use<'d>, WireError> {
    if value.kind() == Kind::Array { Ok(value.items()) } else { Err(WireError::wrong(at, "a list")) }
}

pub(super) fn text(value: Value<'_>, at: &At<'_>) -> Result<String, WireError> {
    value.text().map(Cow::into_owned).ok_or_else(|| WireError::wrong(at, "a string"))
}

pub(super) fn truth(value: Value<'_>, at: &At<'_>) -> Result<bool, WireError> {
    value.truth().ok_or_else(|| WireError::wrong(at, "true or false"))
}

/// A whole number from 0 to 2^32 - 1.
pub(super) fn small(value: Value<'_>, at: &At<'_>) -> Result<u32, WireError> {
    whole(value, at).and_then(|n| u32::try_from(n).map_err(|_| WireError::wrong(at, "a smaller number")))
}

pub(super) fn whole(value: Value<'_>, at: &At<'_>) -> Result<u64, WireError> {
    value.whole().ok_or_else(|| WireError::wrong(at, "a whole number from 0 on"))
}

/// A number that is finite in 32 bits.
pub(super) fn number(value: Value<'_>, at: &At<'_>) -> Result<f32, WireError> {
    const EXPECTED: &str = "a number that is finite in 32 bits";
    if value.kind() != Kind::Number {
        return Err(WireError::wrong(at, EXPECTED));
    }
    match value.raw().parse::<f32>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(WireError::wrong(at, EXPECTED)),
    }
}
