//! Hints for authors: the name that was probably meant, and letters that look like others.

/// The candidate that was probably meant: the nearest within two edits, one for short words.
pub(crate) fn nearest<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A hint is worth little work, however many names there are and however often one is asked for.
    const LONGEST: usize = 64;
    const MOST: usize = 256;
    if text.chars().count() > LONGEST {
        return None;
    }
    let most = if text.chars().count() <= 3 { 1 } else { 2 };
    let near = candidates.into_iter().take(MOST).filter(|candidate| candidate.len().abs_diff(text.len()) <= 4 * most);
    let measured = near.map(|candidate| (distance(text, candidate), candidate));
    measured.filter(|(d, _)| *d <= most).min_by_key(|(d, _)| *d).map(|(_, candidate)| candidate)
}

/// `did you mean x? `, or nothing.
pub(crate) fn did_you_mean<'c>(text: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(text, candidates).map(|name| format!("did you mean {name}? ")).unwrap_or_default()
}

/// How many letters must be added, dropped or changed, or neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let changed = at(&row, j) + usize::from(x != y);
            let mut best = changed.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// Letters of other scripts that look like ASCII, beside full-width forms, which are found by arithmetic.
const ALIKE: &[(&str, char)] = &[
    ("аɑα", 'a'),
    ("ЬƄ", 'b'),
    ("сϲ", 'c'),
    ("ԁ", 'd'),
    ("еҽ", 'e'),
    ("ɡց", 'g'),
    ("һհ", 'h'),
    ("іıι", 'i'),
    ("ј", 'j'),
    ("κк", 'k'),
    ("ӏⅼ", 'l'),
    ("ո", 'n'),
    ("оοσօ", 'o'),
    ("рρ", 'p'),
    ("ԛ", 'q'),
    ("г", 'r'),
    ("ѕ", 's'),
    ("т", 't'),
    ("υս", 'u'),
    ("νѵ", 'v'),
    ("ԝ", 'w'),
    ("хχ", 'x'),
    ("уγ", 'y'),
    ("АΑ", 'A'),
    ("ВΒ", 'B'),
    ("СϹ", 'C'),
    ("ЕΕ", 'E'),
    ("Ԍ", 'G'),
    ("НΗ", 'H'),
    ("ІΙ", 'I'),
    ("Ј", 'J'),
    ("КΚ", 'K'),
    ("МΜ", 'M'),
    ("Ν", 'N'),
    ("ОΟ", 'O'),
    ("РΡ", 'P'),
    ("Ѕ", 'S'),
    ("ТΤ", 'T'),
    ("Ԝ", 'W'),
    ("ХΧ", 'X'),
    ("УΥ", 'Y'),
    ("Ζ", 'Z'),
    ("‐‑‒–—−", '-'),
    ("․", '.'),
    ("∕⁄", '/'),
    ("ː։", ':'),
    ("∗", '*'),
];

/// What is wrong with the first character of a text that no ASCII name can hold; `None` where all are ASCII.
pub(crate) fn lookalike(text: &str) -> Option<String> {
    let (at, found) = text.chars().enumerate().find(|(_, c)| !c.is_ascii())?;
    let place = format!("character {} is U+{:04X}", at + 1, u32::from(found));
    Some(match twin(found) {
        Some(twin) => format!("{place}, which looks like '{twin}' but is another letter"),
        None if is_invisible(found) => format!("{place}, which cannot be seen"),
        None => format!("{place}, which is not ASCII"),
    })
}

/// A word of a condition that mixes ASCII letters with letters that look like them, or holds invisible ones.
pub(crate) fn mixed_word(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && !is_invisible(c));
    let mixed = |word: &&str| {
        let alike = word.chars().any(|c| !c.is_ascii() && (twin(c).is_some() || is_invisible(c)));
        alike && word.chars().any(|c| c.is_ascii_alphabetic()) || word.chars().any(is_invisible)
    };
    words.filter(mixed).find_map(lookalike)
}

fn twin(found: char) -> Option<char> {
    let full_width = u32::from(found).checked_sub(0xFEE0).and_then(char::from_u32).filter(char::is_ascii_graphic);
    full_width.or_else(|| ALIKE.iter().find(|(all, _)| all.contains(found)).map(|(_, twin)| *twin))
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_name_is_found() {
        let known = ["pseudonymise", "record", "encrypt", "on", "roles"];
        for (text, meant) in [
            ("pseudonymize", Some("pseudonymise")),
            ("recrod", Some("record")),
            ("role", Some("roles")),
            ("no", Some("on")),
            ("owner", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, known), meant, "{text}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn lookalikes_are_named() {
        assert_eq!(lookalike("admin"), None);
        assert!(lookalike("аdmin").unwrap().contains("character 1 is U+0430, which looks like 'a'"));
        assert!(lookalike("pii\u{ff0e}email").unwrap().contains("looks like '.'"));
        assert!(lookalike("ad\u{200b}min").unwrap().contains("cannot be seen"));
        assert!(lookalike("bücher").unwrap().contains("is not ASCII"));
        assert_eq!(mixed_word("\"bücher\" in labels && \"право\" in labels"), None);
        assert!(mixed_word("\"pii.еmail\" in labels").is_some());
        assert!(mixed_word("labels.size() == 1\u{200b}").is_some());
    }

    proptest! {
        #[test]
        fn distance_is_a_distance(a in "[abc]{0,6}", b in "[abc]{0,6}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
            prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
        }

        #[test]
        fn any_text_is_looked_at_without_a_panic(text in ".*") {
            let _ = (lookalike(&text), mixed_word(&text));
        }
    }
}
