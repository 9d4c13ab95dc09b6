//! Patterns over resource paths.

use crate::action::Family;
use vocab::UpstreamName;

/// A pattern over resource paths: segments joined by `/`, each a literal or `*` (exactly one segment); a
/// last `**` stands for all that follows, also for nothing. Literals match exactly, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    text: Box<str>,
    family: Option<Family>,
    /// How many bytes stand before the first wildcard and its `/`: any path that matches starts with them.
    literal: usize,
}

/// The most segments of any path: `model`, an upstream, and a model's name of 200 bytes with every other byte a `/`.
const MAX_SEGMENTS: usize = 102;

/// Why a text is not a pattern, in words for its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPattern {
    #[error("a pattern starts with model/, vector/ or ledger, or is just **")]
    Family,
    #[error("an empty, '.' or '..' segment never matches")]
    EmptySegment,
    #[error("** may only be the last segment")]
    RestNotLast,
    #[error("* stands for one whole segment; part of a segment cannot be a wildcard")]
    PartialWildcard,
    #[error("this upstream segment can be no upstream's name")]
    Upstream,
    #[error("a character here can be in no resource path")]
    Character,
    #[error("the pattern has more segments than any such path, or too few")]
    Shape,
}

impl Pattern {
    /// Reads a pattern and refuses one that could never match.
    pub(crate) fn parse(text: &str) -> Result<Self, BadPattern> {
        let segments: Vec<&str> = text.split('/').collect();
        let last = segments.len().saturating_sub(1);
        for (at, segment) in segments.iter().enumerate() {
            check_segment(segment, at == last)?;
        }
        let family = match segments.as_slice() {
            ["**"] => None,
            ["ledger"] => Some(Family::Ledger),
            ["ledger", ..] => return Err(BadPattern::Shape),
            ["model", rest @ ..] if !rest.is_empty() => Some(Family::Model),
            ["vector", rest @ ..] if !rest.is_empty() => Some(Family::Vector),
            ["vector" | "model"] => return Err(BadPattern::Shape),
            _ => return Err(BadPattern::Family),
        };
        let upstream = segments.get(1).filter(|s| !matches!(**s, "*" | "**"));
        if upstream.is_some_and(|s| UpstreamName::new(s).is_err()) {
            return Err(BadPattern::Upstream);
        }
        let most = if family == Some(Family::Vector) { 3 } else { MAX_SEGMENTS };
        let literal_or_star = segments.iter().filter(|s| **s != "**").count();
        if literal_or_star > most {
            return Err(BadPattern::Shape);
        }
        let literal = text.find('*').unwrap_or(text.len());
        Ok(Self {
            text: text.into(),
            family,
            literal: text.get(..literal).unwrap_or_default().trim_end_matches('/').len(),
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/')
    }

    /// The one path that the pattern matches, if it has no wildcard.
    pub(crate) fn literal(&self) -> Option<&str> {
        (!self.text.contains('*')).then_some(&*self.text)
    }

    /// Whether paths of this family can match at all.
    pub(crate) fn reaches(&self, family: Family) -> bool {
        self.family.is_none_or(|own| own == family)
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.text.get(..self.literal).is_some_and(|literal| path.starts_with(literal)) && path_matches(&self.text, path)
    }
}

fn check_segment(segment: &str, is_last: bool) -> Result<(), BadPattern> {
    match segment {
        "" | "." | ".." => Err(BadPattern::EmptySegment),
        "*" => Ok(()),
        "**" if is_last => Ok(()),
        "**" => Err(BadPattern::RestNotLast),
        text if text.contains('*') => Err(BadPattern::PartialWildcard),
        text if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:@+".contains(&b)) => Ok(()),
        _ => Err(BadPattern::Character),
    }
}

/// Whether a pattern's text matches a path. No regular expression, no allocation, linear in the path.
/// This is also casbin's `objMatch`.
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/');
    let mut found = path.split('/');
    loop {
        match (wanted.next(), found.next()) {
            (Some("**"), _) | (None, None) => return true,
            (Some(want), Some(have)) if want == "*" || want == have => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_are_exact_and_stars_take_whole_segments() {
        let yes = [
            ("model/openai/gpt-4.1", "model/openai/gpt-4.1"),
            ("model/*/gpt-4.1", "model/openai/gpt-4.1"),
            ("model/openai/**", "model/openai"),
            ("model/openai/**", "model/openai/a/b"),
            ("model/*/experimental/**", "model/openai/experimental/x"),
            ("**", "ledger"),
        ];
        let no = [
            ("model/openai/gpt-4.1", "model/openai/gpt-4x1"),
            ("model/openai/gpt-4.1", "model/openai/gpt-4.1/x"),
            ("model/openai/*", "model/openai"),
            ("model/openai/*", "model/openai/a/b"),
            ("model/openai/**", "model/openai2/a"),
            ("vector/**", "model/openai"),
            ("model/openai/gpt", "model/openai/GPT"),
        ];
        for (pattern, path) in yes {
            assert!(Pattern::parse(pattern).unwrap().matches(path), "{pattern} {path}");
        }
        for (pattern, path) in no {
            assert!(!Pattern::parse(pattern).unwrap().matches(path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_is_no_longer_than_the_longest_path() {
        let path = format!("model/u/{}", vec!["a"; 100].join("/"));
        assert!(path.parse::<crate::resource::Resource>().is_ok());
        assert!(Pattern::parse(&path).unwrap().matches(&path));
        assert!(Pattern::parse(&format!("{path}/**")).unwrap().matches(&path));
        assert!(format!("{path}/a").parse::<crate::resource::Resource>().is_err());
        assert_eq!(Pattern::parse(&format!("{path}/a")), Err(BadPattern::Shape));
    }

    #[test]
    fn patterns_that_cannot_match_are_refused() {
        for (text, why) in [
            ("", BadPattern::EmptySegment),
            ("model", BadPattern::Shape),
            ("model/", BadPattern::EmptySegment),
            ("model/**/x", BadPattern::RestNotLast),
            ("model/openai/gpt-*", BadPattern::PartialWildcard),
            ("model/OpenAI/gpt", BadPattern::Upstream),
            ("vector/db/a/b", BadPattern::Shape),
            ("ledger/x", BadPattern::Shape),
            ("*/openai", BadPattern::Family),
            ("file/x", BadPattern::Family),
            ("model/openai/gpt(", BadPattern::Character),
            ("model/openai/../x", BadPattern::EmptySegment),
            ("model/openai/gрt", BadPattern::Character),
        ] {
            assert_eq!(Pattern::parse(text).map(|p| p.text), Err(why), "{text:?}");
        }
    }

    /// The definition, word for word, and slow: `**` last takes any number of segments.
    fn by_definition(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**"], _) => true,
            (["*", p @ ..], [_, s @ ..]) => by_definition(p, s),
            ([want, p @ ..], [have, s @ ..]) => want == have && by_definition(p, s),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_follows_its_definition(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 0..5),
            rest in prop::option::of(Just("**")),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..6),
        ) {
            let pattern: Vec<&str> = pattern.into_iter().chain(rest).collect();
            prop_assume!(!pattern.is_empty());
            let expected = by_definition(&pattern, &path);
            let (pattern, path) = (pattern.join("/"), path.join("/"));
            prop_assert_eq!(path_matches(&pattern, &path), expected);
            let pattern = format!("model/{pattern}");
            if let Ok(parsed) = Pattern::parse(&pattern) {
                prop_assert_eq!(parsed.matches(&format!("model/{path}")), expected);
                let other = format!("vector/{path}");
                prop_assert!(!parsed.matches(&other));
            }
        }

        #[test]
        fn any_text_is_a_pattern_or_refused_without_a_panic(text in ".*", path in ".*") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let _ = pattern.matches(&path);
            }
        }
    }
}
