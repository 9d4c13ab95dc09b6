//! Reads the files in `golden/`: one vector a paragraph, `name: value` lines, bytes in hexadecimal.
//! They are kept for ever: a release that cannot read them cannot read its users' data.

use std::{collections::BTreeMap, fmt::Write, path::Path};

pub(crate) struct Vector(BTreeMap<String, String>);

pub(crate) fn vectors(file: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n\n").map(Vector::parse).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

impl Vector {
    fn parse(paragraph: &str) -> Self {
        let fields = paragraph.lines().filter(|line| !line.starts_with('#'));
        let fields = fields.map(|line| line.split_once(": ").or(line.split_once(':')).unwrap());
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("the vector has no {name}"))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.text(name);
        let pairs = (0..digits.len()).step_by(2).map(|i| &digits[i..i + 2]);
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }
}
