//! The names that policies use beside the shared ids.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use vocab::BadId;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and wraps it. Cloning the result is cheap.
            ///
            /// # Errors
            /// [`BadId`] when the text breaks the rule of this kind.
            pub fn new(text: &str) -> Result<Self, BadId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadId { kind: $kind, rule: $rule })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

fn lower(text: &str, max: usize, also: &[u8]) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn plain(text: &str, max: usize, also: &[u8]) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
}

fn no_empty_part(text: &str) -> bool {
    !text.split('.').any(str::is_empty)
}

name!(
    /// The id of a rule, unique within its tenant. It is what decisions and records name.
    RuleId,
    "rule id",
    "1 to 128 of a-z, 0-9, '.', '-' and '_', starting with a letter or digit",
    |t| lower(t, 128, b".-_")
);
name!(
    /// A role of a tenant. `everyone` is built in: each verified principal of the tenant holds it.
    RoleName,
    "role name",
    "1 to 64 of a-z, 0-9, '-' and '_', starting with a letter or digit",
    |t| lower(t, 64, b"-_")
);
name!(
    /// What a detector found in the content of a call, such as `pii.email`.
    Label,
    "label",
    "1 to 64 of a-z, 0-9, '-', '_' in parts joined by '.', such as pii.email",
    |t| lower(t, 64, b".-_") && no_empty_part(t)
);
name!(
    /// A payload field of a collection, such as `lang` or `meta.year`.
    FieldName,
    "field name",
    "1 to 128 of letters, digits, '-', '_' in parts joined by '.'",
    |t| plain(t, 128, b".-_") && no_empty_part(t)
);
name!(
    /// Where an upstream keeps data, such as `eu`: configured, never claimed by a caller.
    Region,
    "region",
    "1 to 64 of letters, digits, '.', '-' and '_'",
    |t| plain(t, 64, b".-_")
);
name!(
    /// How far an upstream is trusted, such as `private` or `hosted`: configured.
    Trust,
    "trust level",
    "1 to 64 of letters, digits, '.', '-' and '_'",
    |t| plain(t, 64, b".-_")
);
name!(
    /// The workflow that a call belongs to.
    Workflow,
    "workflow",
    "1 to 128 of letters, digits and . _ - : /",
    |t| plain(t, 128, b"._-:/")
);
name!(
    /// The purpose that a call serves.
    Purpose,
    "purpose",
    "1 to 128 of letters, digits and . _ - : /",
    |t| plain(t, 128, b"._-:/")
);
name!(
    /// The name of a claim of a credential, such as `department`.
    ClaimName,
    "claim name",
    "1 to 128 of letters, digits and . _ - : /",
    |t| plain(t, 128, b"._-:/")
);
name!(
    /// One value of a claim of a credential, as text.
    ClaimValue,
    "claim value",
    "1 to 256 bytes without control characters",
    |t| (1..=256).contains(&t.len()) && !t.chars().any(char::is_control)
);
name!(
    /// A budget of a tenant.
    BudgetName,
    "budget name",
    "1 to 64 of a-z, 0-9, '-' and '_', starting with a letter or digit",
    |t| lower(t, 64, b"-_")
);
name!(
    /// A class of approvals of a tenant, such as `refunds`.
    ApprovalClass,
    "approval class",
    "1 to 64 of a-z, 0-9, '-' and '_', starting with a letter or digit",
    |t| lower(t, 64, b"-_")
);
name!(
    /// What a document calls a collection or a model that it defines.
    DefinitionName,
    "name of a definition",
    "1 to 64 of a-z, 0-9, '.', '-' and '_', starting with a letter or digit",
    |t| lower(t, 64, b".-_")
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_and_spaces_are_no_names() {
        for text in ["", "Admin", "аdmin", "admin\u{200b}", "ad min", "-admin", "admin\n"] {
            assert!(RoleName::new(text).is_err(), "{text:?}");
            assert!(RuleId::new(text).is_err(), "{text:?}");
        }
        for text in ["pii.", ".pii", "pii..email", "pii email", "PII.email"] {
            assert!(Label::new(text).is_err(), "{text:?}");
        }
        assert!(Label::new("pii.email").is_ok());
    }

    #[test]
    fn errors_do_not_repeat_the_text() {
        let shown = Purpose::new("sk-SECRET VALUE").map_err(|e| e.to_string());
        assert!(shown.is_err_and(|e| !e.contains("SECRET")));
    }
}
