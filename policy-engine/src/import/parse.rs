//! From the text of a matcher to its tree. Whatever is not understood is refused.

use super::Reason;
use super::expr::{Comparison, Expr, Path, Truth};

/// The longest expression, in bytes, and how deep it may be bracketed: both bound all later work.
const MAX_BYTES: usize = 4096;
const MAX_DEPTH: usize = 24;

/// What is wrong with an expression, and at which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadExpr {
    pub(super) reason: Reason,
    pub(super) detail: String,
}

fn bad(reason: Reason, detail: impl Into<String>) -> BadExpr {
    BadExpr { reason, detail: detail.into() }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Whole(i32),
    Sign(&'static str),
}

/// Longer signs first.
const SIGNS: [&str; 18] =
    ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", ".", "=", "-", "#"];

/// Reads an expression.
pub(super) fn expression(text: &str) -> Result<Expr, BadExpr> {
    if text.len() > MAX_BYTES {
        return Err(bad(Reason::TooLarge, format!("an expression has at most {MAX_BYTES} bytes")));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let expr = parser.any()?;
    match parser.tokens.first() {
        None => Ok(expr),
        Some(token) => Err(unexpected(token)),
    }
}

fn unexpected(token: &Token) -> BadExpr {
    let shown = match token {
        Token::Name(name) => name.clone(),
        Token::Text(text) => format!("{text:?}"),
        Token::Whole(number) => number.to_string(),
        Token::Sign(sign) => (*sign).to_owned(),
    };
    let reason = if shown == "-" { Reason::Arithmetic } else { Reason::MatcherSyntax };
    bad(reason, format!("at {shown}"))
}

fn tokens(text: &str) -> Result<Vec<Token>, BadExpr> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => string(rest, &mut found)?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                found.push(Token::Name(rest.get(..end).unwrap_or_default().to_owned()));
                end
            }
            '0'..='9' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                let digits = rest.get(..end).unwrap_or_default();
                let number = digits.parse().map_err(|_| bad(Reason::MatcherSyntax, format!("at {digits}")))?;
                found.push(Token::Whole(number));
                end
            }
            '\'' | '`' => return Err(bad(Reason::SingleQuotes, "write \"...\"")),
            '+' | '*' | '/' | '%' => return Err(bad(Reason::Arithmetic, format!("at {first}"))),
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => {
                    found.push(Token::Sign(sign));
                    sign.len()
                }
                None => return Err(bad(Reason::MatcherSyntax, format!("at {first:?}"))),
            },
        };
        rest = rest.get(taken..).unwrap_or_default().trim_start();
    }
    Ok(found)
}

/// A string in double quotes with no escapes but `\"` and `\\`. Gives how many bytes it takes.
fn string(rest: &str, found: &mut Vec<Token>) -> Result<usize, BadExpr> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, c)) = letters.next() {
        match c {
            '"' => {
                found.push(Token::Text(text));
                return Ok(at + 1);
            }
            '\\' => match letters.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                _ => return Err(bad(Reason::MatcherSyntax, "only \\\" and \\\\ are read in strings")),
            },
            c => text.push(c),
        }
    }
    Err(bad(Reason::Quotes, ""))
}

struct Parser<'t> {
    tokens: &'t [Token],
    depth: usize,
}

impl Parser<'_> {
    fn takes(&mut self, sign: &str) -> bool {
        match self.tokens.split_first() {
            Some((Token::Sign(found), rest)) if *found == sign => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn needs(&mut self, sign: &str) -> Result<(), BadExpr> {
        if self.takes(sign) { Ok(()) } else { Err(self.stuck()) }
    }

    fn stuck(&self) -> BadExpr {
        self.tokens.first().map_or_else(|| bad(Reason::MatcherSyntax, "it ends too early"), unexpected)
    }

    fn name(&mut self) -> Result<String, BadExpr> {
        match self.tokens.split_first() {
            Some((Token::Name(name), rest)) => {
                self.tokens = rest;
                Ok(name.clone())
            }
            _ => Err(self.stuck()),
        }
    }

    fn any(&mut self) -> Result<Expr, BadExpr> {
        if self.depth >= MAX_DEPTH {
            return Err(bad(Reason::MatcherSyntax, "it is nested too deeply"));
        }
        self.depth += 1;
        let mut all = vec![self.all()?];
        while self.takes("||") {
            all.push(self.all()?);
        }
        self.depth -= 1;
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) })
    }

    fn all(&mut self) -> Result<Expr, BadExpr> {
        let mut all = vec![self.comparison()?];
        while self.takes("&&") {
            all.push(self.comparison()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn comparison(&mut self) -> Result<Expr, BadExpr> {
        let left = self.unary()?;
        if let Some(how) = Comparison::ALL.into_iter().find(|how| self.takes(how.as_str())) {
            let right = self.unary()?;
            return Ok(Expr::Compare(how, Box::new(left), Box::new(right)));
        }
        if self.tokens.first() == Some(&Token::Name("in".into())) {
            self.name()?;
            let close = if self.takes("[") { "]" } else { ")" };
            if close == ")" {
                return Err(bad(Reason::MatcherSyntax, "casbin-rs has no tuples; write in [...]"));
            }
            return Ok(Expr::In(Box::new(left), self.list(close)?));
        }
        Ok(left)
    }

    fn list(&mut self, close: &str) -> Result<Vec<Expr>, BadExpr> {
        let mut items = Vec::new();
        if self.takes(close) {
            return Ok(items);
        }
        loop {
            items.push(self.any()?);
            if self.takes(close) {
                return Ok(items);
            }
            self.needs(",")?;
        }
    }

    fn unary(&mut self) -> Result<Expr, BadExpr> {
        if self.depth >= MAX_DEPTH {
            return Err(bad(Reason::MatcherSyntax, "it is nested too deeply"));
        }
        if self.takes("!") {
            self.depth += 1;
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.takes("-") {
            if let Some((Token::Whole(number), rest)) = self.tokens.split_first() {
                self.tokens = rest;
                return Ok(Expr::Whole(-number));
            }
            return Err(bad(Reason::Arithmetic, "at -"));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, BadExpr> {
        if self.takes("(") {
            let inner = self.any()?;
            self.needs(")")?;
            return Ok(inner);
        }
        let Some((token, rest)) = self.tokens.split_first() else {
            return Err(self.stuck());
        };
        match token {
            Token::Text(text) => {
                self.tokens = rest;
                Ok(Expr::Text(text.clone()))
            }
            Token::Whole(number) => {
                self.tokens = rest;
                Ok(Expr::Whole(*number))
            }
            Token::Name(name) => {
                self.tokens = rest;
                self.named(name)
            }
            Token::Sign(_) => Err(unexpected(token)),
        }
    }

    fn named(&mut self, name: &str) -> Result<Expr, BadExpr> {
        match name {
            "true" => return Ok(Expr::Bool(Truth::True)),
            "false" => return Ok(Expr::Bool(Truth::False)),
            _ => {}
        }
        if self.takes("(") {
            return Ok(Expr::Call(name.to_owned(), self.list(")")?));
        }
        self.needs(".").map_err(|_| bad(Reason::UnknownName, name))?;
        let field = self.name()?;
        let mut attributes = Vec::new();
        while self.takes(".") {
            attributes.push(self.name()?);
        }
        Ok(Expr::Path(Path { root: name.to_owned(), field, attributes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round(text: &str) -> String {
        expression(text).unwrap().for_casbin()
    }

    #[test]
    fn what_is_read_is_written_with_brackets() {
        assert_eq!(round("r.a == p.a && g(r.b, p.b) || !r.c"), "(((r.a == p.a) && g(r.b, p.b)) || !(r.c))");
        assert_eq!(round("r.a in [\"x\", \"y\"]"), "(r.a in [\"x\", \"y\"])");
        assert_eq!(round("r.n >= -3"), "(r.n >= -3)");
        assert_eq!(round("r.a == \"a.p#\""), "(r.a == \"a\\U0000002ep\\U00000023\")");
        assert_eq!(round("r.o.Owner == r.s"), "(r.o.Owner == r.s)");
    }

    #[test]
    fn what_casbin_would_trip_over_is_refused_by_name() {
        for (text, reason) in [
            ("r.a == 'x'", Reason::SingleQuotes),
            ("r.a == `x`", Reason::SingleQuotes),
            ("r.a + 1 == 2", Reason::Arithmetic),
            ("r.a / 0 == 2", Reason::Arithmetic),
            ("1 - 1 == 2", Reason::Arithmetic),
            ("r.a == \"x", Reason::Quotes),
            ("r.a = 1", Reason::MatcherSyntax),
            ("r.a in (\"x\", \"y\")", Reason::MatcherSyntax),
            ("r.a == 99999999999", Reason::MatcherSyntax),
            ("r.a == 1.5", Reason::MatcherSyntax),
            ("loop { }", Reason::MatcherSyntax),
            ("", Reason::MatcherSyntax),
            ("r.a ==", Reason::MatcherSyntax),
            ("a", Reason::UnknownName),
        ] {
            assert_eq!(expression(text).map_err(|e| e.reason), Err(reason), "{text}");
        }
        let deep = format!("{}r.a{}", "(".repeat(400), ")".repeat(400));
        assert!(expression(&deep).is_err());
        assert!(expression(&format!("{}r.a", "!".repeat(400))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[rpg.()!&|=<>\"a-c0-9, \\[\\]-]{0,60}") {
            if let Ok(expr) = expression(&text) {
                let again = expression(&expr.for_casbin().replace("\\U", ""));
                prop_assert!(again.is_ok(), "{again:?}");
            }
        }
    }
}
