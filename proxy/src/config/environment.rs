//! `AIOS__SECTION__KEY=value` overrides, applied to the table before it is parsed.

use super::ConfigDefect;
use toml::{Table, Value};

const PREFIX: &str = "AIOS__";

/// Applies every override. List items are addressed by index: `AIOS__UPSTREAM__0__URL`.
pub(super) fn apply(
    table: &mut Table,
    overrides: impl IntoIterator<Item = (String, String)>,
    defects: &mut Vec<ConfigDefect>,
) {
    for (name, text) in overrides {
        let Some(path) = name.strip_prefix(PREFIX) else { continue };
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        if keys.iter().any(String::is_empty) {
            defects.push(ConfigDefect::new(name, "an override is named AIOS__SECTION__KEY"));
        } else if let Err(message) = set(table, &keys, scalar(&text)) {
            defects.push(ConfigDefect::new(name, message));
        }
    }
}

/// A number, boolean or list where the text is one in TOML; the text itself otherwise.
fn scalar(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, keys: &[String], value: Value) -> Result<(), &'static str> {
    let Some((first, rest)) = keys.split_first() else { return Ok(()) };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return Ok(());
    }
    match table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => set(inner, rest, value),
        Value::Array(items) => {
            let Some((index, rest)) = rest.split_first() else { return Ok(()) };
            let item = index.parse::<usize>().ok().and_then(|i| items.get_mut(i));
            match item {
                Some(Value::Table(inner)) if !rest.is_empty() => set(inner, rest, value),
                Some(slot) if rest.is_empty() => {
                    *slot = value;
                    Ok(())
                }
                _ => Err("names no item of this list"),
            }
        }
        _ => Err("names a key inside a plain value"),
    }
}
