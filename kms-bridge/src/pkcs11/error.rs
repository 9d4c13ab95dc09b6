//! What goes wrong on a token, and what it means for a key.

use std::sync::Arc;

use cryptoki::{
    context::Function,
    error::{Error, RvError},
};

use crate::provider::ProviderError;

/// Why an operation on the token came to nothing. It holds no secret: the module's errors are codes.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    /// A code of the module.
    #[error("the pkcs#11 module failed")]
    Module(#[from] Error),
    /// No slot has a token of the label.
    #[error("no slot has the token")]
    NoToken,
    /// The PIN was refused once. It is not tried again: tokens lock themselves after a few tries.
    #[error("the token refused the pin, which is not tried again")]
    PinRefused,
    /// The KEK could leave the token.
    #[error("the key-encryption key is extractable or not sensitive")]
    Weak,
    /// No KEK of the name.
    #[error("the token has no such key")]
    Unknown,
    /// A KEK of the name is there.
    #[error("the token has such a key already")]
    Exists,
    /// The wrapped key is damaged, or two KEKs have one name.
    #[error("the wrapped key or its key is damaged")]
    Corrupt,
    /// The ciphertext is longer or shorter than AES-GCM makes it.
    #[error("the token gave a ciphertext of the wrong length")]
    BadAnswer,
    /// The system gives no randomness.
    #[error("the system gave no randomness")]
    NoRandomness,
    /// What the caller finds out before it asks the token.
    #[error("the wrapped key is refused")]
    Refused(#[source] ProviderError),
}

impl TokenError {
    /// Whether another session may succeed where this one did not.
    pub(super) const fn breaks_session(&self) -> bool {
        matches!(
            self,
            Self::NoToken
                | Self::Module(Error::Pkcs11(
                    RvError::SessionHandleInvalid
                        | RvError::SessionClosed
                        | RvError::DeviceError
                        | RvError::DeviceRemoved
                        | RvError::DeviceMemory
                        | RvError::TokenNotPresent
                        | RvError::TokenNotRecognized
                        | RvError::SlotIdInvalid
                        | RvError::UserNotLoggedIn
                        | RvError::CryptokiNotInitialized
                        | RvError::OperationActive
                        | RvError::ObjectHandleInvalid
                        | RvError::KeyHandleInvalid
                        | RvError::FunctionFailed
                        | RvError::GeneralError,
                    _,
                ))
        )
    }

    /// Whether this may be the token's word for a tag that does not fit. Modules differ: the standard
    /// has `CKR_ENCRYPTED_DATA_INVALID`, SoftHSM answers `CKR_GENERAL_ERROR`.
    pub(super) const fn may_be_bad_tag(&self) -> bool {
        matches!(
            self,
            Self::Module(Error::Pkcs11(
                RvError::EncryptedDataInvalid
                    | RvError::EncryptedDataLenRange
                    | RvError::DataInvalid
                    | RvError::SignatureInvalid
                    | RvError::FunctionFailed
                    | RvError::GeneralError
                    | RvError::DeviceError,
                Function::Decrypt | Function::DecryptInit,
            ))
        )
    }
}

impl From<TokenError> for ProviderError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unknown => Self::UnknownKek,
            TokenError::Exists => Self::KekExists,
            TokenError::Corrupt => Self::Corrupt,
            TokenError::BadAnswer => Self::BadAnswer,
            TokenError::Refused(error) => error,
            TokenError::PinRefused
            | TokenError::Weak
            | TokenError::Module(Error::Pkcs11(
                RvError::ActionProhibited
                | RvError::KeyFunctionNotPermitted
                | RvError::TokenWriteProtected
                | RvError::SessionReadOnly
                | RvError::MechanismInvalid
                | RvError::TemplateInconsistent
                | RvError::UserPinNotInitialized
                | RvError::PinExpired
                | RvError::PinLocked,
                _,
            )) => Self::Denied(Arc::new(error)),
            TokenError::Module(_) | TokenError::NoToken | TokenError::NoRandomness => {
                Self::Unavailable(Arc::new(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_token_is_an_outage_and_a_refused_pin_is_not() {
        let module = |code, function| TokenError::Module(Error::Pkcs11(code, function));
        for code in
            [RvError::DeviceRemoved, RvError::TokenNotPresent, RvError::SessionHandleInvalid, RvError::HostMemory]
        {
            assert!(ProviderError::from(module(code, Function::Encrypt)).is_outage(), "{code:?}");
        }
        assert!(ProviderError::from(TokenError::NoToken).is_outage());
        for error in [TokenError::PinRefused, TokenError::Weak, module(RvError::PinLocked, Function::Login)] {
            assert!(matches!(ProviderError::from(error), ProviderError::Denied(_)));
        }
    }

    #[test]
    fn only_decryption_can_meet_a_bad_tag() {
        let general = |function| TokenError::Module(Error::Pkcs11(RvError::GeneralError, function));
        assert!(general(Function::Decrypt).may_be_bad_tag());
        assert!(!general(Function::Encrypt).may_be_bad_tag() && !general(Function::FindObjects).may_be_bad_tag());
    }
}
