//! The functions that matchers may call. They replace casbin's of the same names, which panic on patterns
//! that do not compile. Where one cannot answer it gives no bool, which makes casbin fail, which denies.

use super::KeyMatch;
use super::glob;
use casbin::MatchingFn;
use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::rhai::Dynamic;
use regex::{Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;

/// A function of two arguments, key and pattern.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) call: OperatorFunction,
    /// Whether key and pattern match; `None` when the pattern is none.
    pub(super) matches: fn(&str, &str) -> Option<bool>,
    /// Whether a text is a pattern of the function.
    pub(super) reads: fn(&str) -> bool,
}

macro_rules! function {
    ($name:literal, $matches:path, $reads:expr) => {
        Function {
            name: $name,
            call: OperatorFunction::Arg2(|key, pattern| {
                answer($matches(&dynamic_to_str(&key), &dynamic_to_str(&pattern)))
            }),
            matches: $matches,
            reads: $reads,
        }
    };
}

pub(super) const FUNCTIONS: [Function; 8] = [
    function!("keyMatch", key_match, |_| true),
    function!("keyMatch2", key_match2, |p| compiles(&glob::from_key_match2(p))),
    function!("keyMatch3", key_match3, |p| compiles(&glob::from_key_match3(p))),
    function!("keyMatch4", key_match4, |p| compiles(&glob::from_key_match4(p).0)),
    function!("keyMatch5", key_match5, |p| compiles(&glob::from_key_match5(p))),
    function!("regexMatch", regex_match, compiles),
    function!("globMatch", glob_match, |p| glob::from_glob(p).is_some_and(|regex| compiles(&regex))),
    function!("ipMatch", ip_match, |p| network(p).is_some()),
];

/// The function of a name.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name == name)
}

fn answer(answer: Option<bool>) -> Dynamic {
    answer.map_or(Dynamic::UNIT, Dynamic::from)
}

impl KeyMatch {
    /// The function as casbin's role manager takes it. A pattern that does not compile matches nothing.
    pub(super) fn matching(self) -> MatchingFn {
        match self {
            Self::KeyMatch => |key, pattern| key_match(key, pattern) == Some(true),
            Self::KeyMatch2 => |key, pattern| key_match2(key, pattern) == Some(true),
            Self::KeyMatch3 => |key, pattern| key_match3(key, pattern) == Some(true),
        }
    }
}

impl KeyMatch {
    /// The function as matchers call it.
    pub(super) fn function(self) -> OperatorFunction {
        macro_rules! total {
            ($matches:path) => {
                OperatorFunction::Arg2(|key, pattern| {
                    Dynamic::from($matches(&dynamic_to_str(&key), &dynamic_to_str(&pattern)) == Some(true))
                })
            };
        }
        match self {
            Self::KeyMatch => total!(key_match),
            Self::KeyMatch2 => total!(key_match2),
            Self::KeyMatch3 => total!(key_match3),
        }
    }
}

/// `None` never comes: every text is a pattern.
#[expect(clippy::unnecessary_wraps, reason = "one of several functions of this shape")]
fn key_match(key: &str, pattern: &str) -> Option<bool> {
    Some(match pattern.split_once('*') {
        Some((prefix, _)) => key.starts_with(prefix),
        None => key == pattern,
    })
}

fn key_match2(key: &str, pattern: &str) -> Option<bool> {
    regex_match(key, &glob::from_key_match2(pattern))
}

fn key_match3(key: &str, pattern: &str) -> Option<bool> {
    regex_match(key, &glob::from_key_match3(pattern))
}

fn key_match4(key: &str, pattern: &str) -> Option<bool> {
    let (regex, names) = glob::from_key_match4(pattern);
    with_regex(&regex, |regex| {
        let Some(found) = regex.captures(key) else {
            return false;
        };
        let mut values: HashMap<&str, &str> = HashMap::new();
        let captured = found.iter().skip(1).flatten().map(|m| m.as_str());
        names.iter().zip(captured).all(|(name, value)| *values.entry(name).or_insert(value) == value)
    })
}

fn key_match5(key: &str, pattern: &str) -> Option<bool> {
    let key = key.split_once('?').map_or(key, |(path, _)| path);
    regex_match(key, &glob::from_key_match5(pattern))
}

fn glob_match(key: &str, pattern: &str) -> Option<bool> {
    regex_match(key, &glob::from_glob(pattern)?)
}

fn regex_match(key: &str, pattern: &str) -> Option<bool> {
    with_regex(pattern, |regex| regex.is_match(key))
}

fn compiles(pattern: &str) -> bool {
    with_regex(pattern, |_| ()).is_some()
}

/// How large a compiled pattern may be, and how many a thread keeps.
const MAX_REGEX_BYTES: usize = 256 << 10;
const MAX_KEPT: usize = 512;

thread_local! {
    static KEPT: RefCell<HashMap<Box<str>, Option<Regex>>> = RefCell::default();
}

/// Compiles a pattern, or finds it compiled.
fn with_regex<T>(pattern: &str, see: impl FnOnce(&Regex) -> T) -> Option<T> {
    KEPT.with(|kept| {
        let mut kept = kept.try_borrow_mut().ok()?;
        if !kept.contains_key(pattern) {
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            let regex = RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build().ok();
            kept.insert(pattern.into(), regex);
        }
        kept.get(pattern)?.as_ref().map(see)
    })
}

/// An address, or a network as address and length of its prefix.
fn network(text: &str) -> Option<(IpAddr, Option<u8>)> {
    match text.split_once('/') {
        None => Some((text.parse().ok()?, None)),
        Some((address, length)) => {
            let address: IpAddr = address.parse().ok()?;
            let length = length.parse().ok().filter(|l| *l <= if address.is_ipv4() { 32 } else { 128 })?;
            Some((address, Some(length)))
        }
    }
}

fn ip_match(key: &str, pattern: &str) -> Option<bool> {
    let address: IpAddr = key.parse().ok()?;
    let (base, length) = network(pattern)?;
    let Some(length) = length else {
        let same = match (address, base) {
            (IpAddr::V4(a), IpAddr::V6(b)) => b.to_ipv4() == Some(a),
            (a, b) => a == b,
        };
        return Some(same);
    };
    Some(match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            (u32::from(a) ^ u32::from(b)) & mask == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            (u128::from(a) ^ u128::from(b)) & mask == 0
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use casbin::function_map;
    use proptest::prelude::*;

    #[test]
    fn what_makes_casbin_panic_has_no_answer() {
        assert_eq!(key_match2("x", "("), None);
        assert_eq!(regex_match("x", "["), None);
        assert_eq!(glob_match("x", "[a"), None);
        assert_eq!(ip_match("10.0.0.1", "10.0.0.0/33"), None);
        assert_eq!(ip_match("nonsense", "10.0.0.0/8"), None);
        assert_eq!(key_match("aé", "a\u{20ac}*"), Some(false), "casbin slices inside of a character");
    }

    #[test]
    fn addresses_and_networks() {
        for (key, pattern, expected) in [
            ("192.168.2.123", "192.168.2.0/24", true),
            ("192.168.3.123", "192.168.2.0/24", false),
            ("192.168.2.123", "192.168.2.123", true),
            ("1.2.3.4", "0.0.0.0/0", true),
            ("::1", "::/0", true),
            ("::1", "::1", true),
            ("10.0.0.1", "::/0", false),
            ("10.0.0.1", "10.0.0.1/32", true),
        ] {
            assert_eq!(ip_match(key, pattern), Some(expected), "{key} {pattern}");
        }
    }

    #[test]
    fn globs() {
        for (key, pattern, expected) in [
            ("/foo/bar", "/foo/*", true),
            ("/foo/bar/x", "/foo/*", false),
            ("/foo", "/foo*", true),
            ("/a/foo/b", "/*/foo/*", true),
            ("a.b", "a?b", true),
            ("axb", "a.b", false),
            ("x/y/z", "x/**", true),
            ("a/b/c", "**/c", true),
            ("/", "*", false),
        ] {
            assert_eq!(glob_match(key, pattern), Some(expected), "{key} {pattern}");
        }
    }

    proptest! {
        /// On patterns that casbin can read, ours and casbin's agree.
        #[test]
        fn ours_are_casbins(key in "[ab/.?]{0,8}", pattern in "/?([ab.]{1,2}|:[ab]|\\{[ab]\\}|\\*)(/([ab]|:a|\\{a\\}|\\*|a\\*)){0,3}") {
            prop_assert_eq!(key_match(&key, &pattern), Some(function_map::key_match(&key, &pattern)));
            let (two, three) = (glob::from_key_match2(&pattern), glob::from_key_match3(&pattern));
            if pattern.starts_with('*') {
                return Ok(());
            }
            if Regex::new(&two).is_ok() && !pattern.contains(['{', '}']) {
                prop_assert_eq!(key_match2(&key, &pattern), Some(function_map::key_match2(&key, &pattern)));
            }
            if Regex::new(&three).is_ok() {
                prop_assert_eq!(key_match3(&key, &pattern), Some(function_map::key_match3(&key, &pattern)));
                prop_assert_eq!(key_match4(&key, &pattern), Some(function_map::key_match4(&key, &pattern)));
                prop_assert_eq!(key_match5(&key, &pattern), Some(function_map::key_match5(&key, &pattern)));
            }
        }

        #[test]
        fn any_texts_are_answered_or_not(key in ".{0,12}", pattern in ".{0,12}") {
            for f in &FUNCTIONS {
                let answered = (f.matches)(&key, &pattern).is_some();
                prop_assert!(answered <= (f.reads)(&pattern), "{}", f.name);
            }
        }
    }
}
