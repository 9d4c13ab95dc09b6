//! The text of a model, as its definitions.

use super::{Part, Reason, Refusal};
use std::collections::BTreeMap;

const MAX_BYTES: usize = 64 << 10;

/// A definition with its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defined {
    pub(super) text: String,
    pub(super) line: usize,
}

/// The definitions of a model, by their keys: `r`, `p`, `p2`, `g`, `e`, `m` ...
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ModelText {
    pub(super) definitions: BTreeMap<String, Defined>,
    /// The lines whose comments casbin-rs would read otherwise.
    pub(super) comments: Vec<usize>,
}

/// Each section with the letter of its keys. Constraints limit later changes of a policy; they decide nothing.
const SECTIONS: [(&str, &str); 6] = [
    ("request_definition", "r"),
    ("policy_definition", "p"),
    ("role_definition", "g"),
    ("policy_effect", "e"),
    ("matchers", "m"),
    ("constraint_definition", "c"),
];

impl ModelText {
    pub(super) fn read(text: &str) -> Result<Self, Vec<Refusal>> {
        if text.len() > MAX_BYTES {
            let detail = format!("at most {MAX_BYTES} bytes");
            return Err(vec![Refusal::new(Part::Model, 0, Reason::TooLarge, detail)]);
        }
        let mut model = Self { comments: disputed_comments(text), ..Self::default() };
        let mut refusals = Vec::new();
        let mut section = None;
        for (line, content) in logical_lines(text) {
            let refuse = |reason, detail: &str| Refusal::new(Part::Model, line, reason, detail);
            if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = SECTIONS.into_iter().find(|(known, _)| *known == name).map(|(_, letter)| letter);
                if section.is_none() {
                    refusals.push(refuse(Reason::UnknownSection, name));
                }
                continue;
            }
            let Some((key, value)) = content.split_once('=') else {
                refusals.push(refuse(Reason::ModelSyntax, &content));
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            let Some(letter) = section else {
                refusals.push(refuse(Reason::ModelSyntax, "outside of a section"));
                continue;
            };
            if !is_key(key, letter) {
                refusals.push(refuse(Reason::UnknownKey, key));
            } else if value.is_empty() {
                refusals.push(refuse(Reason::ModelSyntax, "an empty definition"));
            } else {
                let defined = Defined { text: value.to_owned(), line };
                if model.definitions.insert(key.to_owned(), defined).is_some() {
                    refusals.push(refuse(Reason::DuplicateKey, key));
                }
            }
        }
        for key in ["r", "p", "e", "m"] {
            if refusals.is_empty() && !model.definitions.contains_key(key) {
                refusals.push(Refusal::new(Part::Model, 0, Reason::MissingDefinition, key));
            }
        }
        model.refuse_gaps(&mut refusals);
        if refusals.is_empty() { Ok(model) } else { Err(refusals) }
    }

    /// Casbin reads `p`, `p2`, `p3` ... up to the first that is missing, and ignores the rest.
    fn refuse_gaps(&self, refusals: &mut Vec<Refusal>) {
        for (key, defined) in &self.definitions {
            let (letter, number) = key.split_at(1);
            if letter == "c" {
                continue;
            }
            let before = match number.parse::<u32>() {
                Ok(2) => letter.to_owned(),
                Ok(n) => format!("{letter}{}", n.saturating_sub(1)),
                Err(_) => continue,
            };
            if !self.definitions.contains_key(&before) {
                refusals.push(Refusal::new(Part::Model, defined.line, Reason::UnknownKey, key));
            }
        }
    }

    pub(super) fn of(&self, key: &str) -> Option<&Defined> {
        self.definitions.get(key)
    }

    /// The keys of one letter, `g`, `g2` ..., sorted.
    pub(super) fn keys<'m>(&'m self, letter: &'m str) -> impl Iterator<Item = (&'m String, &'m Defined)> {
        self.definitions.iter().filter(move |(key, _)| key.starts_with(letter))
    }
}

/// A letter, alone or with a number from 2: what casbin looks for.
fn is_key(key: &str, letter: &str) -> bool {
    key.strip_prefix(letter).is_some_and(|number| {
        number.is_empty()
            || (number.parse::<u32>().is_ok_and(|n| n >= 2 || letter == "c") && !number.starts_with(['0', '+']))
    })
}

/// Lines without comments and surrounding space, those that end in `\` joined to what follows.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, raw) in text.lines().enumerate() {
        let content = without_comment(raw).trim();
        let (content, continues) = match content.strip_suffix('\\') {
            Some(rest) => (rest.trim_end(), Continues::Yes),
            None => (content, Continues::No),
        };
        let (line, mut joined) = open.take().unwrap_or((at + 1, String::new()));
        if !joined.is_empty() && !content.is_empty() {
            joined.push(' ');
        }
        joined.push_str(content);
        match continues {
            Continues::Yes => open = Some((line, joined)),
            Continues::No if joined.is_empty() => {}
            Continues::No => found.push((line, joined)),
        }
    }
    found.extend(open.filter(|(_, joined)| !joined.is_empty()));
    found
}

/// The lines of which casbin-rs would keep another part: it cuts at any `#`, and at `;` at the start only.
fn disputed_comments(text: &str) -> Vec<usize> {
    let is_disputed = |line: &str| {
        !line.trim_start().starts_with(['#', ';'])
            && line.find('#').unwrap_or(line.len()) != without_comment(line).len()
    };
    text.lines().zip(1..).filter(|(line, _)| is_disputed(line)).map(|(_, at)| at).collect()
}

enum Continues {
    Yes,
    No,
}

/// Cuts a line at `#` or `;` outside of double quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '#' | ';' if !quoted => return line.get(..at).unwrap_or_default(),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[request_definition]\nr = a\n[policy_definition]\np = a\n[policy_effect]\ne = x\n[matchers]\n";

    fn reasons(text: &str) -> Vec<(usize, Reason)> {
        ModelText::read(text).err().unwrap_or_default().iter().map(|r| (r.line, r.reason)).collect()
    }

    #[test]
    fn comments_and_continued_lines() {
        let text = format!("# c\n; c\n{GOOD}m = r.a == \"#;\" # more\n");
        assert_eq!(ModelText::read(&text).unwrap().of("m").unwrap().text, "r.a == \"#;\"");
        let broken = format!("{GOOD}m = a \\\n # more\n && b\n");
        assert_eq!(reasons(&broken), [(10, Reason::ModelSyntax)], "a comment ends what a backslash began");
        let text = format!("{GOOD}m = a \\\n  b \\\n\n");
        assert_eq!(ModelText::read(&text).unwrap().of("m").unwrap().text, "a b");
    }

    #[test]
    fn comments_that_casbin_reads_otherwise_are_named() {
        let text = format!("; c\n{GOOD}m = a # x ; y\nm2 = a ; x\n  # c ; \"#\nm3 = a == \"#\" # c\nm4 = a == \";\"\n");
        assert_eq!(ModelText::read(&text).unwrap().comments, [10, 12]);
    }

    #[test]
    fn what_casbin_would_ignore_is_refused() {
        assert_eq!(reasons(GOOD), [(0, Reason::MissingDefinition)]);
        let with = |line: &str| reasons(&format!("{GOOD}m = a\n{line}\n"));
        assert_eq!(with(""), []);
        assert_eq!(with("m = b"), [(9, Reason::DuplicateKey)]);
        assert_eq!(with("m3 = b"), [(9, Reason::UnknownKey)]);
        assert_eq!(with("m1 = b"), [(9, Reason::UnknownKey)]);
        assert_eq!(with("x = b"), [(9, Reason::UnknownKey)]);
        assert_eq!(with("nonsense"), [(9, Reason::ModelSyntax)]);
        assert_eq!(with("[Matchers]"), [(9, Reason::UnknownSection)]);
        assert_eq!(reasons(&"x".repeat(MAX_BYTES + 1)), [(0, Reason::TooLarge)]);
    }
}
