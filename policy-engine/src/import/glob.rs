//! Wildcards as casbin writes them, turned into regular expressions that cannot fail to compile later.

/// `globMatch`: `*` within a segment, `**` over segments, `?`. Classes and alternatives are not read.
pub(super) fn from_glob(pattern: &str) -> Option<String> {
    let mut regex = String::from("^");
    let mut rest = pattern;
    let mut at_start = true;
    while let Some(c) = rest.chars().next() {
        let (piece, taken) = if at_start && rest == "**" {
            (".*".to_owned(), 2)
        } else if at_start && rest.starts_with("**/") {
            ("(?:/?|.*/)".to_owned(), 3)
        } else if rest.starts_with("**") {
            return None;
        } else {
            match c {
                '*' => ("[^/]*".to_owned(), 1),
                '?' => ("[^/]".to_owned(), 1),
                '[' | ']' | '{' | '}' | '\\' => return None,
                c => (regex::escape(c.encode_utf8(&mut [0; 4])), c.len_utf8()),
            }
        };
        regex.push_str(&piece);
        at_start = c == '/' || piece.ends_with("/)");
        rest = rest.get(taken..)?;
    }
    regex.push('$');
    Some(format!("(?s){regex}"))
}

/// `keyMatch2`: `/*` is the rest, `:name` one segment; all else is a regular expression, as in casbin.
pub(super) fn from_key_match2(pattern: &str) -> String {
    anchored(&segments_after(&pattern.replace("/*", "/.*"), ':'))
}

/// `keyMatch3`: as `keyMatch2` with `{name}`.
pub(super) fn from_key_match3(pattern: &str) -> String {
    anchored(&braces(&pattern.replace("/*", "/.*"), "[^/]+"))
}

/// `keyMatch4`: as `keyMatch3`, each name captured, so that equal names can be held to equal values.
pub(super) fn from_key_match4(pattern: &str) -> (String, Vec<String>) {
    let pattern = pattern.replace("/*", "/.*");
    let mut names = Vec::new();
    let mut rest = pattern.as_str();
    while let Some((name, after)) = rest.split_once('{').and_then(|(_, inner)| inner.split_once('}')) {
        if !name.is_empty() && !name.contains('/') {
            names.push(name.to_owned());
        }
        rest = after;
    }
    (anchored(&short_braces(&pattern, "([^/]+)")), names)
}

/// `keyMatch5`: as `keyMatch3` with the shortest `{name}`; the query of the key is cut off by the caller.
pub(super) fn from_key_match5(pattern: &str) -> String {
    anchored(&short_braces(&pattern.replace("/*", "/.*"), "[^/]+"))
}

/// Anchored at both ends. A pattern that starts with `*` is not anchored at its start: Go's casbin writes `^*`,
/// which stands for nothing there, and casbin-rs panics on it.
fn anchored(regex: &str) -> String {
    let regex = literal_braces(regex);
    regex.strip_prefix('*').map_or_else(|| format!("^{regex}$"), |open| format!("{open}$"))
}

/// Replaces `:` and all up to the next `/` by one segment.
fn segments_after(pattern: &str, mark: char) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once(mark) {
        out.push_str(before);
        out.push_str("[^/]+");
        rest = after.find('/').and_then(|end| after.get(end..)).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Replaces `{...}`, the longest within a segment.
fn braces(pattern: &str, by: &str) -> String {
    let parts: Vec<String> = pattern
        .split('/')
        .map(|segment| match (segment.find('{'), segment.rfind('}')) {
            (Some(start), Some(end)) if start < end => {
                let before = segment.get(..start).unwrap_or_default();
                let after = segment.get(end + 1..).unwrap_or_default();
                format!("{before}{by}{after}")
            }
            _ => segment.to_owned(),
        })
        .collect();
    parts.join("/")
}

/// Replaces each `{name}`, the shortest, names not empty.
fn short_braces(pattern: &str, by: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, inner)) = rest.split_once('{') {
        match inner.split_once('}') {
            Some((name, after)) if !name.is_empty() && !name.contains('/') => {
                out.push_str(before);
                out.push_str(by);
                rest = after;
            }
            _ => {
                out.push_str(before);
                out.push('{');
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    out
}

/// A brace that opens no count (`{2}`, `{2,}`, `{2,3}`) stands for itself, as in Go's regular expressions.
fn literal_braces(regex: &str) -> String {
    let mut out = String::new();
    let mut rest = regex;
    while let Some((before, inner)) = rest.split_once('{') {
        out.push_str(before);
        let count = inner.split_once('}').map(|(count, _)| count).unwrap_or_default();
        let is_count = count.starts_with(|c: char| c.is_ascii_digit())
            && count.bytes().all(|b| b.is_ascii_digit() || b == b',')
            && count.matches(',').count() <= 1;
        out.push_str(if is_count { "{" } else { "\\{" });
        rest = inner;
    }
    out.push_str(rest);
    out
}
