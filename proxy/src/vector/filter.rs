//! Filters: the client's, over fields and values, and their rewriting to tokens.

use super::{
    PointId, VectorError,
    payload::at,
    sealed::{SealedCondition, SealedFilter, TokenTest},
};
use embedding_cipher::{BlindIndex, CanonicalValue, Token};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A filter as the client wrote it, with Qdrant's meaning of each part.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filter {
    pub(crate) must: Option<Vec<Condition>>,
    pub(crate) should: Option<Vec<Condition>>,
    pub(crate) must_not: Option<Vec<Condition>>,
    pub(crate) min_should: Option<MinShould>,
}

/// At least so many of these.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MinShould {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) min_count: u32,
}

/// One condition.
#[derive(Clone, PartialEq)]
pub(crate) enum Condition {
    Field { field: String, test: Match },
    HasId(Vec<PointId>),
    IsEmpty(String),
    IsNull(String),
    Nested(Box<Filter>),
}

impl core::fmt::Debug for Condition {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Condition")
    }
}

/// What the value of a field, or any element of a list, must be.
#[derive(Clone, PartialEq)]
pub(crate) enum Match {
    Value(Scalar),
    Any(Vec<Scalar>),
    Except(Vec<Scalar>),
}

/// A value that filters can name.
#[derive(Clone, PartialEq)]
pub(crate) enum Scalar {
    Text(String),
    Integer(i64),
    Bool(bool),
}

impl Scalar {
    fn canonical(&self) -> CanonicalValue<'_> {
        match self {
            Self::Text(text) => CanonicalValue::Text(text),
            Self::Integer(number) => CanonicalValue::Integer(*number),
            Self::Bool(truth) => CanonicalValue::Bool(*truth),
        }
    }
}

/// Rewrites a filter so that it means the same over the tokens in the store.
///
/// # Errors
/// [`VectorError::NotFilterable`], naming the field, when a condition is on a field without blind index.
pub(crate) fn seal_filter(
    filter: &Filter,
    index: &BlindIndex,
    filterable: &BTreeSet<String>,
) -> Result<SealedFilter, VectorError> {
    let list = |conditions: &Option<Vec<Condition>>| {
        conditions.as_ref().map(|c| seal_conditions(c, index, filterable)).transpose()
    };
    Ok(SealedFilter {
        must: list(&filter.must)?,
        should: list(&filter.should)?,
        must_not: list(&filter.must_not)?,
        min_should: match &filter.min_should {
            Some(min) => Some((seal_conditions(&min.conditions, index, filterable)?, min.min_count)),
            None => None,
        },
    })
}

fn seal_conditions(
    conditions: &[Condition],
    index: &BlindIndex,
    filterable: &BTreeSet<String>,
) -> Result<Vec<SealedCondition>, VectorError> {
    conditions.iter().map(|condition| seal_condition(condition, index, filterable)).collect()
}

fn seal_condition(
    condition: &Condition,
    index: &BlindIndex,
    filterable: &BTreeSet<String>,
) -> Result<SealedCondition, VectorError> {
    let named = |field: &str| -> Result<Token, VectorError> {
        if filterable.contains(field) { Ok(index.field(field)) } else { Err(VectorError::not_filterable(field)) }
    };
    Ok(match condition {
        Condition::HasId(ids) => SealedCondition::HasId(ids.clone()),
        Condition::Nested(filter) => SealedCondition::Nested(Box::new(seal_filter(filter, index, filterable)?)),
        Condition::Field { field, test } => {
            let key = named(field)?;
            let tokens = |values: &[Scalar]| values.iter().map(|v| index.token(field, &v.canonical())).collect();
            let test = match test {
                Match::Value(value) => TokenTest::Is(index.token(field, &value.canonical())),
                Match::Any(values) => TokenTest::Any(tokens(values)),
                Match::Except(values) => {
                    // The two markers stand for no value: they must not count as "another value".
                    let mut tokens: Vec<Token> = tokens(values);
                    tokens.push(index.token(field, &CanonicalValue::Null));
                    tokens.push(index.token(field, &CanonicalValue::Empty));
                    TokenTest::Except(tokens)
                }
            };
            SealedCondition::Tokens { field: key, test }
        }
        Condition::IsNull(field) => SealedCondition::Tokens {
            field: named(field)?,
            test: TokenTest::Is(index.token(field, &CanonicalValue::Null)),
        },
        Condition::IsEmpty(field) => {
            let key = named(field)?;
            let null = TokenTest::Is(index.token(field, &CanonicalValue::Null));
            let either = vec![SealedCondition::IsEmpty(key), SealedCondition::Tokens { field: key, test: null }];
            SealedCondition::Nested(Box::new(SealedFilter { should: Some(either), ..SealedFilter::default() }))
        }
    })
}

/// The tokens of a payload, per filterable field that it has.
///
/// Absent or an empty list: nothing. Null: the null marker. Else a token for each element that is not
/// null, or the empty marker when no element is left.
pub(crate) fn tokens_of(
    payload: &Map<String, Value>,
    index: &BlindIndex,
    filterable: &BTreeSet<String>,
) -> Vec<(Token, Vec<Token>)> {
    let mut fields = Vec::new();
    for field in filterable {
        let mut tokens: Vec<Token> = match at(payload, field) {
            None => continue,
            Some(Value::Null) => vec![index.token(field, &CanonicalValue::Null)],
            Some(Value::Array(items)) if items.is_empty() => continue,
            Some(Value::Array(items)) => {
                items.iter().filter(|item| !item.is_null()).map(|item| index.token(field, &canonical(item))).collect()
            }
            Some(value) => vec![index.token(field, &canonical(value))],
        };
        if tokens.is_empty() {
            tokens.push(index.token(field, &CanonicalValue::Empty));
        }
        tokens.sort_unstable();
        tokens.dedup();
        fields.push((index.field(field), tokens));
    }
    fields
}

fn canonical(value: &Value) -> CanonicalValue<'_> {
    match value {
        Value::Null => CanonicalValue::Null,
        Value::Bool(truth) => CanonicalValue::Bool(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => CanonicalValue::Integer(whole),
            (None, Some(float)) => CanonicalValue::Float(float),
            (None, None) => CanonicalValue::Opaque,
        },
        Value::String(text) => CanonicalValue::Text(text),
        Value::Array(_) | Value::Object(_) => CanonicalValue::Opaque,
    }
}
