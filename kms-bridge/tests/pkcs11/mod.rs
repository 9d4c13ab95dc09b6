//! PKCS#11: the provider against SoftHSM with a token in a temporary directory.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use cryptoki::{
    context::Pkcs11 as Module,
    object::{Attribute, KeyType, ObjectClass},
    session::{Session, UserType},
    types::AuthPin,
};
use kms_bridge::{
    Epoch, KekName, KekProvider, KeyId, Pkcs11, Pkcs11Config, ProviderError, Purpose, Severity, WrappedDek,
};
use tempfile::TempDir;
use vocab::{CollectionName, Plain, TenantId};

use crate::contract::{self, fresh_dek, fresh_kek, unwrap_one, wrapped};

const PIN: &str = "canary-pin-7351";
const LABEL: &str = "aios-test";

/// Names the directory and the library to a test that runs in a process of its own.
const HOME: &str = "AIOS_TEST_SOFTHSM_HOME";

/// A SoftHSM of its own. Its place is an environment variable of the process, which a test in Rust
/// cannot set safely: each test runs itself again as a child with it.
struct SoftHsm {
    home: PathBuf,
    module: PathBuf,
}

/// `Some` inside of the child; outside, runs the child and gives `None`.
fn in_child(test: &str) -> Option<SoftHsm> {
    let module = crate::parts::part("AIOS_TEST_SOFTHSM", "libsofthsm2.so")?;
    if let Some(home) = std::env::var_os(HOME) {
        return Some(SoftHsm { home: home.into(), module });
    }
    let home = TempDir::new().unwrap();
    let tokens = home.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let config = home.path().join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&config, text).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", LABEL, "--so-pin", "so-pin-1234", "--pin", PIN])
        .env("SOFTHSM2_CONF", &config)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "the token was not made");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("pkcs11::{test}"), "--nocapture", "--test-threads=1"])
        .env("SOFTHSM2_CONF", &config)
        .env(HOME, home.path())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

impl SoftHsm {
    fn config(&self) -> Pkcs11Config {
        let mut config = Pkcs11Config::new(self.module.clone(), LABEL.to_owned(), Plain::new(PIN.to_owned()));
        config.deadline = Duration::from_secs(30);
        config
    }

    fn provider(&self) -> Pkcs11 {
        Pkcs11::open(&self.config()).unwrap()
    }

    /// An operator's session.
    fn session(&self) -> Session {
        let module = Module::new(&self.module).unwrap();
        let slot = module.get_slots_with_initialized_token().unwrap()[0];
        let session = module.open_rw_session(slot).unwrap();
        // The process is logged in already when the provider is.
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN)));
        session
    }

    fn tokens(&self) -> PathBuf {
        self.home.join("tokens")
    }
}

fn key_object(kek: &KekName, value: &[u8], extractable: bool) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(extractable),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Label(kek.as_str().into()),
        Attribute::Id(kek.as_str().into()),
        Attribute::Value(value.to_vec()),
    ]
}

#[tokio::test]
async fn softhsm_keeps_the_contract() {
    let Some(hsm) = in_child("softhsm_keeps_the_contract") else { return };
    contract::holds(&hsm.provider()).await;
}

#[tokio::test]
async fn many_calls_share_a_few_sessions() {
    let Some(hsm) = in_child("many_calls_share_a_few_sessions") else { return };
    let (token, kek) = (Arc::new(hsm.provider()), fresh_kek());
    token.create_kek(&kek).await.unwrap();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let (token, kek) = (Arc::clone(&token), kek.clone());
            tokio::spawn(async move {
                let dek = fresh_dek();
                let key = wrapped(token.as_ref(), &kek, &dek).await;
                assert_eq!(unwrap_one(token.as_ref(), &key).await.unwrap().expose(), dek.expose());
                key.wrapped[17..29].to_vec()
            })
        })
        .collect();
    let mut ivs = std::collections::BTreeSet::new();
    for call in calls {
        ivs.insert(call.await.unwrap());
    }
    assert_eq!(ivs.len(), 40, "an IV came twice");
}

#[tokio::test]
async fn a_token_that_is_gone_is_an_outage_and_comes_back() {
    let Some(hsm) = in_child("a_token_that_is_gone_is_an_outage_and_comes_back") else { return };
    let (token, kek, dek) = (hsm.provider(), fresh_kek(), fresh_dek());
    token.create_kek(&kek).await.unwrap();
    let key = wrapped(&token, &kek, &dek).await;
    let aside = hsm.home.join("aside");
    std::fs::rename(hsm.tokens(), &aside).unwrap();
    for error in [
        unwrap_one(&token, &key).await.unwrap_err(),
        token.wrap(&kek, &dek, &key.context()).await.unwrap_err(),
        token.create_kek(&fresh_kek()).await.unwrap_err(),
        token.destroy(&kek).await.unwrap_err(),
    ] {
        assert!(matches!(error, ProviderError::Unavailable(_)), "{error:?}");
    }
    assert!(token.examine().await.iter().any(|f| f.severity == Severity::Broken));
    std::fs::rename(&aside, hsm.tokens()).unwrap();
    // SoftHSM finds it when it starts again, which it does not do for each call.
    let start = std::time::Instant::now();
    let back = loop {
        match unwrap_one(&token, &key).await {
            Ok(back) => break back,
            Err(error) => assert!(error.is_outage() && start.elapsed() < Duration::from_secs(60), "{error:?}"),
        }
    };
    assert_eq!(back.expose(), dek.expose());
}

#[tokio::test]
async fn sessions_that_break_are_opened_again() {
    let Some(hsm) = in_child("sessions_that_break_are_opened_again") else { return };
    let (token, kek, dek) = (hsm.provider(), fresh_kek(), fresh_dek());
    token.create_kek(&kek).await.unwrap();
    let key = wrapped(&token, &kek, &dek).await;
    // The module is stopped, and with it every session and the login.
    Module::new(&hsm.module).unwrap().finalize().unwrap();
    assert_eq!(unwrap_one(&token, &key).await.unwrap().expose(), dek.expose());
}

#[tokio::test]
async fn a_refused_pin_is_tried_once_and_told_to_nobody() {
    let Some(hsm) = in_child("a_refused_pin_is_tried_once_and_told_to_nobody") else { return };
    let wrong = "canary-wrong-pin";
    let config = Pkcs11Config { pin: Plain::new(wrong.to_owned()), ..hsm.config() };
    let token = Pkcs11::open(&config).unwrap();
    for _ in 0..3 {
        let error = token.create_kek(&fresh_kek()).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let text = format!("{error} {error:?} {source} {token:?} {config:?}");
        assert!(matches!(error, ProviderError::Denied(_)), "{text}");
        assert!(source.to_string().contains("not tried again") && !text.contains(wrong), "{text}");
    }
    let missing = Pkcs11Config { token: "other".to_owned(), ..hsm.config() };
    let error = Pkcs11::open(&missing).unwrap().create_kek(&fresh_kek()).await.unwrap_err();
    assert!(error.is_outage());
    assert!(Pkcs11::open(&Pkcs11Config { pin: Plain::new(String::new()), ..hsm.config() }).is_err());
    assert!(Pkcs11::open(&Pkcs11Config { module: "/nowhere.so".into(), ..hsm.config() }).is_err());
}

#[tokio::test]
async fn keks_stay_on_the_token_and_planted_ones_are_refused() {
    let Some(hsm) = in_child("keks_stay_on_the_token_and_planted_ones_are_refused") else { return };
    use cryptoki::object::AttributeType::{AlwaysSensitive, NeverExtractable, Value};
    let (token, kek, dek) = (hsm.provider(), fresh_kek(), fresh_dek());
    token.create_kek(&kek).await.unwrap();
    let session = hsm.session();
    let found = session.find_objects(&[Attribute::Label(kek.as_str().into())]).unwrap();
    assert_eq!(found.len(), 1);
    let shown = session.get_attributes(found[0], &[AlwaysSensitive, NeverExtractable, Value]).unwrap();
    assert_eq!(shown, [Attribute::AlwaysSensitive(true), Attribute::NeverExtractable(true)]);

    let planted = fresh_kek();
    session.create_object(&key_object(&planted, &[7; 32], true)).unwrap();
    let context = contract::unwrapped(&planted).context();
    assert!(matches!(token.wrap(&planted, &dek, &context).await, Err(ProviderError::Denied(_))));
    // Two keys of one name: which of them wrapped is not known.
    session.create_object(&key_object(&kek, &[7; 32], false)).unwrap();
    assert!(matches!(token.wrap(&kek, &dek, &context).await, Err(ProviderError::Corrupt)));
    token.destroy(&kek).await.unwrap();
    assert!(matches!(token.wrap(&kek, &dek, &context).await, Err(ProviderError::UnknownKek)));
}

#[tokio::test]
async fn the_golden_key_opens_and_its_neighbours_do_not() {
    let Some(hsm) = in_child("the_golden_key_opens_and_its_neighbours_do_not") else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/wrapped-v1.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap();
        line[name.len() + 2..].to_owned()
    };
    let bytes = |name: &str| {
        let digits = field(name);
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect::<Vec<_>>()
    };
    let (token, kek) = (hsm.provider(), fresh_kek());
    token.create_kek(&fresh_kek()).await.unwrap();
    hsm.session().create_object(&key_object(&kek, &bytes("pkcs11-kek"), false)).unwrap();
    let key = WrappedDek {
        key_id: KeyId::from_bytes([0; 16]),
        scope: kms_bridge::DekScope {
            tenant: TenantId::new(&field("tenant")).unwrap(),
            purpose: field("purpose").parse::<Purpose>().unwrap(),
            collection: Some(CollectionName::new(&field("collection")).unwrap()),
        },
        epoch: Epoch::new(field("epoch").parse().unwrap()).unwrap(),
        kek,
        provider: kms_bridge::ProviderName::local(),
        wrapped: bytes("pkcs11-wrapped"),
    };
    assert_eq!(unwrap_one(&token, &key).await.unwrap().expose().as_slice(), bytes("pkcs11-dek"));
    for name in ["pkcs11-bad-tag", "pkcs11-bad-iv", "pkcs11-short", "pkcs11-long", "pkcs11-version-2"] {
        let bad = WrappedDek { wrapped: bytes(name), ..key.clone() };
        assert!(matches!(unwrap_one(&token, &bad).await, Err(ProviderError::Corrupt)), "{name}");
    }
    // Its head is right for the other context, its tag is not: the token refuses, not the head.
    let mut moved = WrappedDek { wrapped: bytes("pkcs11-moved"), ..key.clone() };
    moved.scope.tenant = TenantId::new("rival").unwrap();
    assert!(matches!(unwrap_one(&token, &moved).await, Err(ProviderError::Corrupt)));
    let mut other = key;
    other.epoch = Epoch::new(2).unwrap();
    assert!(matches!(unwrap_one(&token, &other).await, Err(ProviderError::ContextMismatch)));
}
