//! The lines of a policy.

use super::{Part, Reason, Refusal};

const MAX_BYTES: usize = 32 << 20;

/// One line: its kind (`p`, `g2` ...), its values, and where it stands, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) values: Vec<String>,
    pub(super) line: usize,
}

/// Reads all lines. Values are trimmed; one in double quotes may hold commas.
pub(super) fn read(text: &str) -> Result<Vec<Row>, Vec<Refusal>> {
    if text.len() > MAX_BYTES {
        let detail = format!("at most {MAX_BYTES} bytes");
        return Err(vec![Refusal::new(Part::Policy, 0, Reason::TooLarge, detail)]);
    }
    let mut rows = Vec::new();
    let mut refusals = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line_number = at + 1;
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match values(content) {
            Some(mut values) => {
                let kind = values.remove(0);
                rows.push(Row { kind, values, line: line_number });
            }
            None => refusals.push(Refusal::new(Part::Policy, line_number, Reason::Quotes, "")),
        }
    }
    if refusals.is_empty() { Ok(rows) } else { Err(refusals) }
}

/// The values of a line, at least one; `None` when its quotes do not fit casbin's reading of them: a quoted
/// value starts and ends with a quote, and holds no other that a comma follows.
fn values(line: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let (value, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let (value, after) = quoted.split_once('"')?;
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return None;
            }
            (value, after)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest.get(..end)?.trim_end(), rest.get(end..)?)
        };
        found.push(value.to_owned());
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_trimmed_and_quotes_hold_commas() {
        let read = |line: &str| values(line);
        assert_eq!(read("p, a ,\"b, c\" , d"), Some(["p", "a", "b, c", "d"].map(String::from).to_vec()));
        assert_eq!(read("p,,"), Some(["p", "", ""].map(String::from).to_vec()));
        assert_eq!(read("p, r.a == \"x\", d"), Some(["p", "r.a == \"x\"", "d"].map(String::from).to_vec()));
        assert_eq!(read("p, \"a"), None);
        assert_eq!(read("p, \"a\" b"), None);
    }

    #[test]
    fn every_broken_line_is_named() {
        let refusals = read("p, \"a\n# c\n\np, b\np, \"c\n").unwrap_err();
        assert_eq!(refusals.iter().map(|r| r.line).collect::<Vec<_>>(), [1, 5]);
        assert_eq!(read("# c\n\n p, a\n").unwrap(), [Row { kind: "p".into(), values: vec!["a".into()], line: 3 }]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[pg, \"a#\n]{0,60}") {
            let _ = read(&text);
        }
    }
}
