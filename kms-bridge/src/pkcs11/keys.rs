//! Keys on a token, in one session. Blocking.

use cryptoki::{
    mechanism::{Mechanism, aead::GcmParams},
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::Session,
};
use ring::rand::{SecureRandom, SystemRandom};
use vocab::Plain;

use super::{error::TokenError, session::Token};
use crate::{
    names::KekName,
    provider::DekBytes,
    scope::WrapContext,
    wrapping::{self, HEAD_LEN},
};

const IV_LEN: usize = 12;
/// Ciphertext and tag of a data key.
const SEALED_LEN: usize = 48;
const TAG_BITS: core::ffi::c_ulong = 128;

/// Makes a KEK that stays inside.
pub(super) fn create(token: &Token, session: &Session, kek: &KekName) -> Result<(), TokenError> {
    let _one_at_a_time = token.creating();
    if !named(session, kek)?.is_empty() {
        return Err(TokenError::Exists);
    }
    let mut template = name(kek);
    template.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::ValueLen(32.into()),
    ]);
    session.generate_key(&Mechanism::AesKeyGen, &template)?;
    Ok(())
}

/// Destroys all keys of the name.
pub(super) fn destroy(token: &Token, session: &Session, kek: &KekName) -> Result<(), TokenError> {
    let keys = named(session, kek)?;
    if keys.is_empty() {
        return Err(missing(token));
    }
    keys.into_iter().try_for_each(|key| session.destroy_object(key).map_err(TokenError::from))
}

/// A wrapped data key: the head, the IV, ciphertext and tag.
pub(super) fn wrap(
    token: &Token,
    session: &Session,
    kek: &KekName,
    dek: &DekBytes,
    context: &WrapContext,
) -> Result<Vec<u8>, TokenError> {
    let key = usable(token, session, kek)?;
    let head = wrapping::head(context);
    let (iv, sealed) = encrypt(session, key, &additional(&head, context), dek.expose())?;
    Ok([head.as_slice(), &iv, &sealed].concat())
}

/// The data key in a wrapped form.
pub(super) fn unwrap(
    token: &Token,
    session: &Session,
    kek: &KekName,
    wrapped: &[u8],
    context: &WrapContext,
) -> Result<DekBytes, TokenError> {
    let body = wrapping::body(wrapped, context).map_err(TokenError::Refused)?;
    let (iv, sealed) = body.split_first_chunk::<IV_LEN>().ok_or(TokenError::Corrupt)?;
    if sealed.len() != SEALED_LEN {
        return Err(TokenError::Corrupt);
    }
    let key = usable(token, session, kek)?;
    let additional = additional(&wrapping::head(context), context);
    match decrypt(session, key, *iv, &additional, sealed) {
        Ok(dek) => DekBytes::copied(dek.expose()).ok_or(TokenError::Corrupt),
        Err(error) if error.may_be_bad_tag() && still_works(session, key) => Err(TokenError::Corrupt),
        Err(error) => Err(error),
    }
}

/// Whether the key opens what it seals. It tells a bad tag, which some modules report as a general
/// error, from a token that is out of order.
fn still_works(session: &Session, key: ObjectHandle) -> bool {
    let probe = [0; 32];
    let opened =
        encrypt(session, key, b"probe", &probe).and_then(|(iv, sealed)| decrypt(session, key, iv, b"probe", &sealed));
    opened.is_ok_and(|opened| opened.expose() == &probe)
}

fn encrypt(
    session: &Session,
    key: ObjectHandle,
    additional: &[u8],
    secret: &[u8; 32],
) -> Result<([u8; IV_LEN], Vec<u8>), TokenError> {
    let mut iv = [0; IV_LEN];
    SystemRandom::new().fill(&mut iv).map_err(|_| TokenError::NoRandomness)?;
    let mechanism = Mechanism::AesGcm(GcmParams::new(&mut iv, additional, TAG_BITS.into())?);
    let sealed = session.encrypt(&mechanism, key, secret)?;
    // After the call: a token that insists on an IV of its own has written it there.
    let Mechanism::AesGcm(mut params) = mechanism else { return Err(TokenError::BadAnswer) };
    let iv = <[u8; IV_LEN]>::try_from(&*params.iv()).map_err(|_| TokenError::BadAnswer)?;
    if sealed.len() == SEALED_LEN { Ok((iv, sealed)) } else { Err(TokenError::BadAnswer) }
}

fn decrypt(
    session: &Session,
    key: ObjectHandle,
    mut iv: [u8; IV_LEN],
    additional: &[u8],
    sealed: &[u8],
) -> Result<Plain<Vec<u8>>, TokenError> {
    let mechanism = Mechanism::AesGcm(GcmParams::new(&mut iv, additional, TAG_BITS.into())?);
    Ok(Plain::new(session.decrypt(&mechanism, key, sealed)?))
}

fn additional(head: &[u8; HEAD_LEN], context: &WrapContext) -> Vec<u8> {
    [head, context.as_bytes()].concat()
}

/// The one key of the name, which cannot leave the token.
fn usable(token: &Token, session: &Session, kek: &KekName) -> Result<ObjectHandle, TokenError> {
    let keys = named(session, kek)?;
    let [key] = keys.as_slice() else {
        return Err(if keys.is_empty() { missing(token) } else { TokenError::Corrupt });
    };
    let found = session.get_attributes(*key, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    let stays = found.contains(&Attribute::Sensitive(true)) && found.contains(&Attribute::Extractable(false));
    if stays { Ok(*key) } else { Err(TokenError::Weak) }
}

/// Why a key is not found: a module may report a token that is gone as an empty one.
fn missing(token: &Token) -> TokenError {
    match token.slot() {
        Ok(_) => TokenError::Unknown,
        Err(error) => error,
    }
}

fn named(session: &Session, kek: &KekName) -> Result<Vec<ObjectHandle>, TokenError> {
    Ok(session.find_objects(&name(kek))?)
}

fn name(kek: &KekName) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
        Attribute::Label(kek.as_str().into()),
        Attribute::Id(kek.as_str().into()),
    ]
}
