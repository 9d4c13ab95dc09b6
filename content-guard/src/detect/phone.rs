//! Telephone numbers.
//!
//! Recognised without a hint: `+` or `00` and an assigned country code (ITU-T E.164, 8 to 15
//! digits); North American numbers in groups of 3-3-4; national numbers with a leading zero in two or more
//! groups; an area code in brackets; ten digits in groups of five from 6 to 9 (India); solid mobile numbers of
//! Germany, France, the Netherlands, Great Britain and Australia. Any other 7 to 15 digits count when a word such as
//! `phone` or `Tel.` stands before them. Dates, times, version numbers and IPv4 addresses do not count.

use super::country::country_code_digits;
use super::{Span, digits_end, is_separator, next_digit};
use crate::label::Label;
use crate::view::{at, before, is_word};
use std::ops::Range;

const MAX_SEPARATORS: usize = 3;
const MAX_GROUPS: usize = 8;
/// The fewest digits of a telephone number.
pub(super) const MIN_DIGITS: usize = 7;
const MAX_DIGITS: usize = 17;
/// Groups of one digit: more make a list, not a number.
const MAX_SINGLES: usize = 2;

/// Reports the telephone numbers of a stretch of digits and separators, outside of what other detectors
/// claimed. The claims are in order.
pub(super) fn find(view: &[u8], stretch: &Range<usize>, claimed: &[Range<usize>], spans: &mut Vec<Span>) {
    let mut position = stretch.start;
    let passed = claimed.partition_point(|c| c.end <= stretch.start);
    let mut claimed = claimed.get(passed..).unwrap_or_default().iter().peekable();
    while let Some(digit) = next_digit(view, position).filter(|d| stretch.contains(d)) {
        while claimed.next_if(|c| c.end <= digit).is_some() {}
        let limit = claimed.peek().map_or(view.len(), |c| c.start);
        if limit <= digit {
            position = claimed.peek().map_or(view.len(), |c| c.end);
        } else if digit != stretch.start && !may_start(view, digit) {
            position = digits_end(view, digit);
        } else if let Some(range) = Run::read(view, digit, limit).number(digit == stretch.start) {
            position = range.end;
            spans.push(Span { label: Label::Phone, range });
        } else {
            position = digits_end(view, digit);
        }
    }
}

/// Whether a number without a name may start with this group of digits: a cheap look before a run is read.
fn may_start(view: &[u8], digit: usize) -> bool {
    let length = digits_end(view, digit).saturating_sub(digit);
    let shape = match at(view, digit) {
        b'0' => length >= 2,
        b'1' => length == 1,
        b'6'..=b'9' => matches!(length, 3 | 5),
        _ => length == 3,
    };
    // As `Run::is_bound` says, a number that hangs on digits before it is none.
    let hangs =
        matches!(before(view, digit), b'-' | b'.' | b'/') && before(view, digit.saturating_sub(1)).is_ascii_digit();
    match before(view, digit) {
        b'+' | b'(' => true,
        _ => shape && (!hangs || at(view, digit.saturating_add(1)) == b'0'),
    }
}

/// Groups of digits parted by separators, from the first digit on.
struct Run<'v> {
    view: &'v [u8],
    groups: Vec<Range<usize>>,
    /// The digits to dial, without a trunk zero.
    digits: Vec<u8>,
    /// How many of them each group ends with.
    counts: [usize; MAX_GROUPS],
    /// The first group is preceded by a plus sign.
    plus: bool,
    /// A bracket opens before the first group and closes after it.
    bracketed: bool,
    start: usize,
}

impl<'v> Run<'v> {
    fn read(view: &'v [u8], digit: usize, limit: usize) -> Self {
        let plus = before(view, digit) == b'+';
        let sign = if plus { digit.saturating_sub(1) } else { digit };
        let open = before(view, sign) == b'(';
        let start = if open { sign.saturating_sub(1) } else { sign };
        let (groups, digits) = (Vec::with_capacity(MAX_GROUPS), Vec::with_capacity(2 * MAX_DIGITS));
        let counts = [0; MAX_GROUPS];
        let mut run = Self { view, groups, digits, counts, plus, bracketed: false, start };
        let abroad = plus || view.get(digit..).is_some_and(|v| v.starts_with(b"00"));
        let (mut position, mut singles) = (digit, 0);
        loop {
            let end = digits_end(view, position).min(limit);
            let group = position..end;
            singles += usize::from(group.len() == 1);
            if group.len() > MAX_DIGITS || singles > MAX_SINGLES {
                break;
            }
            if !(abroad && !run.groups.is_empty() && is_trunk_zero(view, &group)) {
                run.digits.extend_from_slice(view.get(group.clone()).unwrap_or_default());
            }
            if let Some(count) = run.counts.get_mut(run.groups.len()) {
                *count = run.digits.len();
            }
            run.groups.push(group);
            let next = skip_separators(view, end);
            let more = next > end && next < limit && at(view, next).is_ascii_digit();
            if !more || run.digits.len() > MAX_DIGITS || run.groups.len() == MAX_GROUPS {
                break;
            }
            position = next;
        }
        run.bracketed = open && run.groups.first().is_some_and(|g| at(view, g.end) == b')');
        run
    }

    /// The longest head of the run that is a telephone number. A word that names it can only stand
    /// before the first run of a stretch.
    fn number(&self, first: bool) -> Option<Range<usize>> {
        let ahead = before(self.view, self.start);
        if self.digits.len() < MIN_DIGITS || is_word(ahead) || ahead == b'+' {
            return None;
        }
        let dated = is_dated(self.view, &self.groups);
        let named = first && !dated && !self.plus && named_before(self.view, self.start);
        let bound = self.is_bound();
        (1..=self.groups.len()).rev().find_map(|count| {
            let groups = self.groups.get(..count)?;
            let digits = self.digits.get(..*self.counts.get(count.checked_sub(1)?)?)?;
            let end = groups.last()?.end;
            let accepted = self.ends_at(end)
                && (self.international(groups, digits)
                    || (named && self.is_any(groups, digits))
                    || (!dated && !bound && !self.plus && self.national(groups, digits)));
            accepted.then_some(self.start..end)
        })
    }

    fn ends_at(&self, end: usize) -> bool {
        let (next, after) = (at(self.view, end), at(self.view, end.saturating_add(1)));
        // Inside a run a following group was left out on purpose; only times bind to it.
        let in_run = self.groups.iter().any(|g| g.start > end);
        let binding = if in_run { &b":"[..] } else { b":,./-" };
        let binds = binding.contains(&next) && after.is_ascii_digit();
        !is_word(next) && !matches!(next, b'_' | b'@') && !binds
    }

    fn international(&self, groups: &[Range<usize>], digits: &[u8]) -> bool {
        let number = match digits.strip_prefix(b"00") {
            _ if self.plus => digits,
            Some(rest) if groups.len() > 1 => rest,
            _ => return false,
        };
        if !(8..=15).contains(&number.len()) {
            return false;
        }
        if let Some(domestic) = number.strip_prefix(b"1") {
            return is_north_american(domestic);
        }
        let head = number.iter().take(3).fold(0, |sum, d| sum * 10 + u32::from(d.saturating_sub(b'0')));
        country_code_digits(head).is_some()
    }

    /// What counts where a word says that a telephone number follows.
    fn is_any(&self, groups: &[Range<usize>], digits: &[u8]) -> bool {
        let address = groups.len() == 4 && self.parted_by(groups, b".") && groups.iter().all(|g| g.len() <= 3);
        (MIN_DIGITS..=15).contains(&digits.len()) && !address
    }

    fn national(&self, groups: &[Range<usize>], digits: &[u8]) -> bool {
        let mut lengths = [0_usize; MAX_GROUPS];
        for (length, group) in lengths.iter_mut().zip(groups) {
            *length = group.len();
        }
        let starts = |heads: &[&[u8]]| heads.iter().any(|h| digits.starts_with(h));
        let first = digits.first().copied().unwrap_or(0);
        match lengths.get(..groups.len()).unwrap_or_default() {
            [3, 3, 4] => is_north_american(digits),
            [1, 3, 3, 4] => digits.strip_prefix(b"1").is_some_and(is_north_american),
            [5, 5] if first != b'0' => first >= b'6' && self.parted_by(groups, b" -"),
            [10] => starts(&[b"04", b"06", b"07"]),
            [11] => starts(&[b"07", b"015", b"016", b"017"]),
            [12] => starts(&[b"015", b"016", b"017"]),
            [area, .., last] if self.bracketed => {
                let year = *area == 4 && starts(&[b"19", b"20"]);
                (2..=5).contains(area) && *last >= 3 && !year && (8..=12).contains(&digits.len())
            }
            lengths @ [2..=5, _, ..] => {
                first == b'0'
                    && digits.get(1) != Some(&b'0')
                    && (9..=12).contains(&digits.len())
                    && lengths.iter().all(|l| *l >= 2)
            }
            _ => false,
        }
    }

    /// The run hangs on a word or number before it, as in an order number: `AB-415-555-2671`.
    fn is_bound(&self) -> bool {
        let sign = before(self.view, self.start);
        let ahead = before(self.view, self.start.saturating_sub(1));
        match sign {
            b'_' | b'#' | b'$' | b'*' => true,
            b'-' | b'.' | b',' | b'/' => is_word(ahead),
            b':' => ahead.is_ascii_digit(),
            _ => false,
        }
    }

    fn parted_by(&self, groups: &[Range<usize>], separators: &[u8]) -> bool {
        groups.iter().zip(groups.iter().skip(1)).all(|(one, two)| {
            self.view.get(one.end..two.start).is_some_and(|s| s.iter().all(|b| separators.contains(b)))
        })
    }
}

/// `(0)`, the national prefix that is not dialled from abroad.
fn is_trunk_zero(view: &[u8], group: &Range<usize>) -> bool {
    group.len() == 1
        && at(view, group.start) == b'0'
        && before(view, group.start) == b'('
        && at(view, group.end) == b')'
}

/// Area code and exchange start with 2 to 9.
fn is_north_american(digits: &[u8]) -> bool {
    let from_two = |position: usize| digits.get(position).is_some_and(|d| (b'2'..=b'9').contains(d));
    digits.len() == 10 && from_two(0) && from_two(3)
}

fn skip_separators(view: &[u8], from: usize) -> usize {
    let run = view.get(from..).map_or(0, |v| v.iter().take(MAX_SEPARATORS).take_while(|b| is_separator(**b)).count());
    from.saturating_add(run)
}

/// The run starts with a date: day, month and year, or the reverse, with one separator.
fn is_dated(view: &[u8], groups: &[Range<usize>]) -> bool {
    let [one, two, three, ..] = groups else {
        return false;
    };
    let (first, second) = (view.get(one.end..two.start), view.get(two.end..three.start));
    let alike = first == second && matches!(first, Some(b"-" | b"/" | b"."));
    // Five pairs with one separator are a French number, however they start.
    let pairs = groups.len() == 5 && groups.iter().all(|g| g.len() == 2);
    let shape = matches!((one.len(), two.len(), three.len()), (1 | 2, 1 | 2, 2 | 4) | (4, 1 | 2, 1 | 2));
    alike && shape && !pairs
}

/// Words that name a telephone number, at the end of a word: `phone` is in `Telephone`.
const NAMES: [&[u8]; 14] = [
    b"phone",
    b"tel",
    b"telefon",
    b"telefono",
    b"telefoon",
    b"mobile",
    b"mobil",
    b"movil",
    b"handy",
    b"cell",
    b"fax",
    b"whatsapp",
    b"sms",
    b"rufnummer",
];

/// How far before the number the word may stand.
const NAME_WINDOW: usize = 32;

/// A name of a telephone number stands before the position, with no digit or line end between.
fn named_before(view: &[u8], position: usize) -> bool {
    let window = view.get(position.saturating_sub(NAME_WINDOW)..position).unwrap_or_default();
    let line = window.iter().rposition(|b| b.is_ascii_digit() || *b == b'\n').map_or(0, |p| p.saturating_add(1));
    let near = window.get(line..).unwrap_or_default();
    near.split(|b| !is_word(*b)).any(|word| {
        NAMES.iter().any(|name| {
            let tail = word.len().checked_sub(name.len()).and_then(|from| word.get(from..));
            let whole = *name == b"phone" || word.len() == name.len();
            whole && tail.is_some_and(|t| t.eq_ignore_ascii_case(name))
        })
    })
}
