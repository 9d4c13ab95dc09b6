//! Suite 1 against a second implementation, against tampering, and against its golden vectors.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use ring::{hkdf, rand::SystemRandom};
use vocab::{CollectionName, TenantId, UpstreamName};

use super::{seal::seal_with_salt, *};
use crate::{
    dek::Dek,
    golden,
    names::{Epoch, KekName, KeyId, Purpose},
    provider::DekBytes,
    scope::{DekScope, WrappedDek},
};

/// A place that owns its texts.
#[derive(Debug, Clone)]
struct Place {
    tenant: TenantId,
    upstream: UpstreamName,
    collection: Option<CollectionName>,
    record: String,
    field: String,
    purpose: Purpose,
}

impl Place {
    fn context(&self) -> SealContext<'_> {
        SealContext {
            tenant: &self.tenant,
            upstream: &self.upstream,
            collection: self.collection.as_ref(),
            record: &self.record,
            field: &self.field,
            purpose: self.purpose,
        }
    }

    /// A key for exactly this place's scope.
    fn dek(&self, key_id: [u8; 16], epoch: u32, secret: [u8; 32]) -> Dek {
        let record = WrappedDek {
            key_id: KeyId::from_bytes(key_id),
            scope: DekScope { tenant: self.tenant.clone(), purpose: self.purpose, collection: self.collection.clone() },
            epoch: Epoch::new(epoch).unwrap(),
            kek: KekName::new("k-aaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap(),
            provider: crate::names::ProviderName::local(),
            wrapped: Vec::new(),
        };
        Dek::new(&record, &DekBytes::copied(&secret).unwrap())
    }
}

fn place() -> Place {
    Place {
        tenant: TenantId::new("acme").unwrap(),
        upstream: UpstreamName::new("contracts-db").unwrap(),
        collection: Some(CollectionName::new("docs").unwrap()),
        record: "42".into(),
        field: "payload".into(),
        purpose: Purpose::Payload,
    }
}

fn places() -> impl Strategy<Value = Place> {
    ("[a-z0-9]{1,8}", "[a-z0-9]{1,8}", proptest::option::of("[a-z0-9]{1,8}"), ".{0,12}", ".{0,12}", 0..5_usize)
        .prop_map(|(tenant, upstream, collection, record, field, purpose)| Place {
            tenant: TenantId::new(&tenant).unwrap(),
            upstream: UpstreamName::new(&upstream).unwrap(),
            collection: collection.map(|c| CollectionName::new(&c).unwrap()),
            record,
            field,
            purpose: Purpose::ALL[purpose],
        })
}

/// Suite 1 written down a second time, from the specification, over other code: `ring`'s HKDF and
/// the `aes-gcm` crate.
struct Second {
    head: Vec<u8>,
    aad: Vec<u8>,
    cipher: Aes256Gcm,
}

impl Second {
    fn new(place: &Place, id: [u8; 16], epoch: u32, secret: [u8; 32], salt: [u8; 24]) -> Self {
        struct SixtyFour;
        impl hkdf::KeyType for SixtyFour {
            fn len(&self) -> usize {
                64
            }
        }
        let header = [&[0x9e, 0x41, 0x49, 0x56, 1, 1, 0, 0][..], &id, &epoch.to_be_bytes(), &salt].concat();
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"AIOS value v1 suite 1").extract(&secret);
        let mut okm = [0; 64];
        prk.expand(&[&header], SixtyFour).unwrap().fill(&mut okm).unwrap();

        let mut aad = header.clone();
        let collection = place.collection.as_ref().map_or("", |c| c.as_str());
        let (tenant, upstream) = (place.tenant.as_str(), place.upstream.as_str());
        let purpose = place.purpose.as_str();
        for part in [tenant, upstream, collection, &place.record, &place.field, purpose] {
            aad.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            aad.extend(part.bytes());
        }
        let head = [&header, &okm[32..]].concat();
        Self { head, aad, cipher: Aes256Gcm::new_from_slice(&okm[..32]).unwrap() }
    }

    fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: plaintext, aad: &self.aad };
        [self.head.clone(), self.cipher.encrypt(&[0; 12].into(), payload).unwrap()].concat()
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let ciphertext = sealed.strip_prefix(&self.head[..])?;
        self.cipher.decrypt(&[0; 12].into(), Payload { msg: ciphertext, aad: &self.aad }).ok()
    }
}

proptest! {
    #[test]
    fn ring_and_aes_gcm_agree_in_both_directions(
        place in places(), id: [u8; 16], epoch in 1..=u32::MAX, secret: [u8; 32], salt: [u8; 24],
        plaintext in vec(any::<u8>(), 0..2000),
    ) {
        let dek = place.dek(id, epoch, secret);
        let second = Second::new(&place, id, epoch, secret, salt);
        let ours = seal_with_salt(&dek, &place.context(), &plaintext, salt).unwrap();
        let theirs = second.seal(&plaintext);
        prop_assert_eq!(ours.as_bytes(), &theirs[..]);
        prop_assert_eq!(ours.as_bytes().len(), plaintext.len() + OVERHEAD);
        prop_assert_eq!(second.open(ours.as_bytes()), Some(plaintext.clone()));
        let opened = open(&dek, &place.context(), &theirs).unwrap();
        prop_assert_eq!(opened.expose(), &plaintext);
    }

    #[test]
    fn no_changed_byte_opens(plaintext in vec(any::<u8>(), 0..300), at: Index, flip in 1..=255_u8) {
        let (place, rng) = (place(), SystemRandom::new());
        let dek = place.dek([1; 16], 1, [2; 32]);
        let mut sealed = seal(&dek, &place.context(), &plaintext, &rng).unwrap().into_bytes();
        let at = at.index(sealed.len());
        sealed[at] ^= flip;
        let refused = open(&dek, &place.context(), &sealed).unwrap_err();
        match at {
            0..8 => prop_assert!(matches!(refused, OpenError::Format(_))),
            8..24 => prop_assert_eq!(refused, OpenError::OtherKey),
            24..28 => prop_assert!(matches!(refused, OpenError::OtherKey | OpenError::Format(FormatError::ZeroEpoch))),
            28..84 => prop_assert_eq!(refused, OpenError::Commitment),
            _ => prop_assert_eq!(refused, OpenError::Authentication),
        }
    }

    #[test]
    fn no_other_place_opens(a in places(), b in places()) {
        let sealed = seal(&a.dek([1; 16], 1, [2; 32]), &a.context(), b"x", &SystemRandom::new()).unwrap();
        let same = format!("{a:?}") == format!("{b:?}");
        // The same secret under the scope of the other place: only the context stands in the way.
        let opened = open(&b.dek([1; 16], 1, [2; 32]), &b.context(), sealed.as_bytes());
        prop_assert_eq!(opened.is_ok(), same);
    }

    #[test]
    fn any_bytes_are_opened_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        let place = place();
        let dek = place.dek([1; 16], 1, [2; 32]);
        prop_assert!(open(&dek, &place.context(), &bytes).is_err());
    }
}

#[test]
fn each_moved_part_is_noticed() {
    let home = place();
    let dek = Dek::new(
        &WrappedDek {
            key_id: KeyId::from_bytes([1; 16]),
            scope: DekScope { tenant: home.tenant.clone(), purpose: home.purpose, collection: None },
            epoch: Epoch::FIRST,
            kek: KekName::new("k-aaaaaaaaaaaaaaaaaaaaaaaaaa").unwrap(),
            provider: crate::names::ProviderName::local(),
            wrapped: Vec::new(),
        },
        &DekBytes::copied(&[2; 32]).unwrap(),
    );
    let sealed = seal(&dek, &home.context(), b"secret", &SystemRandom::new()).unwrap();
    let try_in = |change: fn(&mut Place)| {
        let mut other = home.clone();
        change(&mut other);
        open(&dek, &other.context(), sealed.as_bytes()).map(|p| p.into_exposed())
    };
    assert_eq!(try_in(|_| ()), Ok(b"secret".to_vec()));
    let wrong_key = Err(OpenError::OtherScope);
    assert_eq!(try_in(|p| p.tenant = TenantId::new("rival").unwrap()), wrong_key);
    assert_eq!(try_in(|p| p.purpose = Purpose::Vector), wrong_key);
    let moved = Err(OpenError::Authentication);
    assert_eq!(try_in(|p| p.upstream = UpstreamName::new("other").unwrap()), moved);
    assert_eq!(try_in(|p| p.collection = Some(CollectionName::new("other").unwrap())), moved);
    assert_eq!(try_in(|p| p.collection = None), moved);
    assert_eq!(try_in(|p| p.record = "43".into()), moved);
    assert_eq!(try_in(|p| p.field = "vector".into()), moved);
    // Length prefixes: a byte that changes sides between neighbours is noticed.
    assert_eq!(try_in(|p| (p.record, p.field) = ("42p".into(), "ayload".into())), moved);
}

#[test]
fn a_key_seals_in_its_own_scope_only() {
    let home = place();
    let mut elsewhere = home.clone();
    elsewhere.collection = Some(CollectionName::new("other").unwrap());
    let dek = home.dek([1; 16], 1, [2; 32]);
    let refused = seal(&dek, &elsewhere.context(), b"x", &SystemRandom::new());
    assert_eq!(refused.unwrap_err(), SealError::OtherScope);
}

#[test]
fn a_cut_value_is_refused_at_every_length() {
    let home = place();
    let dek = home.dek([1; 16], 1, [2; 32]);
    let sealed = seal(&dek, &home.context(), b"four", &SystemRandom::new()).unwrap();
    for len in 0..sealed.as_bytes().len() {
        let refused = open(&dek, &home.context(), &sealed.as_bytes()[..len]).unwrap_err();
        let expected = match len {
            0 => OpenError::Format(FormatError::NotSealed),
            1..OVERHEAD => OpenError::Format(FormatError::Truncated),
            _ => OpenError::Authentication,
        };
        assert_eq!(refused, expected, "{len} bytes");
    }
}

#[test]
fn another_secret_under_the_same_id_is_refused_before_decryption() {
    let home = place();
    let sealed = seal(&home.dek([1; 16], 1, [2; 32]), &home.context(), b"x", &SystemRandom::new()).unwrap();
    let refused = open(&home.dek([1; 16], 1, [3; 32]), &home.context(), sealed.as_bytes());
    assert_eq!(refused.unwrap_err(), OpenError::Commitment);
}

#[test]
fn two_seals_of_one_value_differ() {
    let (home, rng) = (place(), SystemRandom::new());
    let dek = home.dek([1; 16], 1, [2; 32]);
    let one = seal(&dek, &home.context(), b"same", &rng).unwrap();
    let two = seal(&dek, &home.context(), b"same", &rng).unwrap();
    assert_ne!(one.as_bytes()[84..], two.as_bytes()[84..]);
}

#[test]
fn debug_shows_no_key_and_no_plaintext() {
    let home = place();
    let dek = home.dek([1; 16], 1, [0xd7; 32]);
    let sealed = seal(&dek, &home.context(), b"hunter2", &SystemRandom::new()).unwrap();
    let opened = open(&dek, &home.context(), sealed.as_bytes()).unwrap();
    let shown = format!("{dek:?} {sealed:?} {opened:?} {:?}", DekBytes::copied(&[0xd7; 32]).unwrap());
    assert!(!shown.contains("215") && !shown.contains("d7") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn subkeys_depend_on_key_and_name() {
    let home = place();
    let (one, two) = (home.dek([1; 16], 1, [2; 32]), home.dek([1; 16], 1, [3; 32]));
    assert_eq!(one.derive(b"a").expose(), one.derive(b"a").expose());
    assert_ne!(one.derive(b"a").expose(), one.derive(b"b").expose());
    assert_ne!(one.derive(b"a").expose(), two.derive(b"a").expose());
}

#[test]
fn golden_vectors_seal_and_open_byte_for_byte() {
    let vectors = golden::vectors("value-v1.txt");
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let collection = vector.text("collection");
        let place = Place {
            tenant: TenantId::new(vector.text("tenant")).unwrap(),
            upstream: UpstreamName::new(vector.text("upstream")).unwrap(),
            collection: (!collection.is_empty()).then(|| CollectionName::new(collection).unwrap()),
            record: vector.text("record").into(),
            field: vector.text("field").into(),
            purpose: vector.text("purpose").parse().unwrap(),
        };
        let epoch = vector.text("epoch").parse().unwrap();
        let dek = place.dek(vector.array("key-id"), epoch, vector.array("dek"));
        let plaintext = vector.bytes("plaintext");

        let sealed = seal_with_salt(&dek, &place.context(), &plaintext, vector.array("salt")).unwrap();
        assert_eq!(golden::hex(sealed.as_bytes()), vector.text("sealed"));
        let opened = open(&dek, &place.context(), &vector.bytes("sealed")).unwrap();
        assert_eq!(opened.expose(), &plaintext);
        let subkey = dek.derive(vector.text("derive-info").as_bytes());
        assert_eq!(golden::hex(subkey.expose()), vector.text("derived"));
    }
}
