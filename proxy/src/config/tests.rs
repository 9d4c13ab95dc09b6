use super::*;

const GOOD: &str = r#"
data = "/var/lib/aios"
[listen]
address = "127.0.0.1:8080"
[ops]
address = "127.0.0.1:9464"
[policy]
directory = "policies/starter"
[keyring]
key_file = "/etc/aios/root.key"
[[upstream]]
name = "models"
kind = "openai"
url = "https://api.example.test/v1/"
region = "eu"
"#;

fn parse(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::parse(text, env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

#[test]
fn a_good_file_loads_with_its_defaults() {
    let config = parse(GOOD, &[]).unwrap();
    assert_eq!(config.upstreams[0].url.prefix, "/v1");
    assert_eq!(config.ledger.durability, Durability::Fsync);
    assert_eq!(config.limits.max_body_bytes, 32 << 20);
}

#[test]
fn every_fault_is_reported_with_its_key() {
    let text = r#"
        data = 7
        tpyo = 1
        [listen]
        address = "localhost"
        certificate = "c.pem"
        [ledger]
        durability = "maybe"
        [limits]
        max_body_bytes = "big"
        [[upstream]]
        name = "UPPER"
        kind = "oracle"
        url = "http://user:hunter2@host/"
        credential = "sk-live-hunter2"
        colour = "red"
    "#;
    let errors = parse(text, &[]).unwrap_err();
    let keys: Vec<&str> = errors.0.iter().map(|d| d.key.as_str()).collect();
    for key in [
        "data",
        "tpyo",
        "listen.address",
        "listen.key",
        "ledger.durability",
        "limits.max_body_bytes",
        "ops.address",
        "policy.directory",
        "keyring",
        "upstream[0].name",
        "upstream[0].kind",
        "upstream[0].url",
        "upstream[0].credential",
        "upstream[0].colour",
    ] {
        assert!(keys.contains(&key), "{key} is not reported in {errors}");
    }
    assert!(!errors.to_string().contains("hunter2"), "a value is repeated: {errors}");
}

#[test]
fn the_environment_overrides_values_and_list_items() {
    let env = [
        ("AIOS__LEDGER__DURABILITY", "os"),
        ("AIOS__LIMITS__MAX_BODY_BYTES", "1024"),
        ("AIOS__UPSTREAM__0__REGION", "us"),
        ("UNRELATED", "x"),
    ];
    let config = parse(GOOD, &env).unwrap();
    assert_eq!(config.ledger.durability, Durability::Os);
    assert_eq!(config.limits.max_body_bytes, 1024);
    assert_eq!(config.upstreams[0].region.as_ref().map(policy_engine::Region::as_str), Some("us"));
}

#[test]
fn a_wrong_override_is_a_fault_of_its_own() {
    let errors = parse(GOOD, &[("AIOS__UPSTREAM__7__URL", "http://x/"), ("AIOS__NONE", "1")]).unwrap_err();
    assert_eq!(errors.0.len(), 2, "{errors}");
}

#[test]
fn a_secret_in_place_of_a_reference_is_not_repeated() {
    let text = format!("{GOOD}\ncredential = \"sk-hunter2\"\n[keyring.passphrase]\nx = \"hunter2\"");
    let errors = parse(&text, &[]).unwrap_err();
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
}

#[test]
fn metrics_do_not_share_the_data_port() {
    let errors = parse(GOOD, &[("AIOS__OPS__ADDRESS", "127.0.0.1:8080")]).unwrap_err();
    assert_eq!(errors.0[0].key, "ops.address");
}

#[test]
fn a_policy_is_a_directory_or_a_bundle_and_a_candidate_says_for_whom() {
    let with = |policy: &str| parse(&GOOD.replace("directory = \"policies/starter\"", policy), &[]);
    let policy = with("bundle = \"p.bundle\"\nkeys = \"p.keys\"\nengine = \"slice\"\nreload_ms = 0").unwrap().policy;
    assert!(matches!(policy.source, PolicySource::Bundle { .. }));
    assert_eq!((policy.engine, policy.reload), (policy_engine::Engine::Slice, None));
    let policy = with("directory = \"a\"\n[policy.candidate]\ndirectory = \"b\"\nrollout = \"share\"\npercent = 10");
    let candidate = policy.unwrap().policy.candidate.unwrap();
    let ten = policy_engine::Percent::new(10).unwrap();
    assert_eq!(candidate.rollout, policy_engine::Rollout::Share(ten));
    for (policy, key) in [
        ("bundle = \"b\"", "policy.keys"),
        ("directory = \"a\"\nbundle = \"b\"\nkeys = \"k\"", "policy.bundle"),
        ("directory = \"a\"\nkeys = \"k\"", "policy.keys"),
        ("directory = \"a\"\nengine = \"fast\"", "policy.engine"),
        ("directory = \"a\"\n[policy.candidate]\ndirectory = \"b\"", "policy.candidate.rollout"),
        ("directory = \"a\"\n[policy.candidate]\nrollout = \"shadow\"", "policy.candidate.directory"),
        (
            "directory = \"a\"\n[policy.candidate]\ndirectory = \"b\"\nrollout = \"share\"\npercent = 101",
            "policy.candidate.percent",
        ),
        ("directory = \"a\"\n[policy.candidate]\ndirectory = \"b\"\nrollout = \"tenants\"", "policy.candidate.tenants"),
        (
            "directory = \"a\"\n[policy.candidate]\ndirectory = \"b\"\nrollout = \"tenants\"\ntenants = [\"A B\"]",
            "policy.candidate.tenants[0]",
        ),
        (
            "directory = \"a\"\n[policy.candidate]\ndirectory = \"b\"\nrollout = \"shadow\"\npercent = 5",
            "policy.candidate.percent",
        ),
    ] {
        let errors = with(policy).unwrap_err();
        assert!(errors.0.iter().any(|defect| defect.key == key), "{policy}: {errors}");
    }
}

#[test]
fn key_services_load_with_what_each_kind_needs() {
    use kms_bridge::{KekPer, MemoryLock, ProviderName};
    let text = format!(
        r#"{GOOD}
[keys]
service = "bao"
kek_per = "collection"
cache_ttl_s = 60
grace_s = 0
memory_lock = "required"
[[key_service]]
name = "bao"
kind = "vault"
address = "https://bao.example.test:8200"
auth = "kubernetes"
role = "aios"
[[key_service]]
name = "acme-aws"
kind = "aws-kms"
region = "eu-central-1"
assume_role = "arn:aws:iam::123456789012:role/aios"
external_id = "x-17"
tenants = ["acme"]
[[key_service]]
name = "hsm"
kind = "pkcs11"
module = "/usr/lib/softhsm/libsofthsm2.so"
token_label = "aios"
pin = "file:/run/secrets/pin"
"#
    );
    let keys = parse(&text, &[]).unwrap().keys;
    assert_eq!((keys.kek_per, keys.cache.memory), (KekPer::Collection, MemoryLock::Required));
    assert_eq!((keys.cache.ttl.as_secs(), keys.cache.grace.as_secs()), (60, 0));
    assert_eq!(keys.service, ProviderName::new("bao").unwrap());
    assert!(matches!(
        keys.services[0].kind,
        KeyServiceKind::Vault(VaultService { login: VaultLogin::Kubernetes { .. }, .. })
    ));
    assert_eq!(keys.services[1].tenants.len(), 1);
    assert!(matches!(keys.services[2].kind, KeyServiceKind::Pkcs11(_)));
    let without_keyring = text.replace("[keyring]\nkey_file = \"/etc/aios/root.key\"\n", "");
    assert!(parse(&without_keyring, &[]).unwrap().keys.keyring.is_none());
}

#[test]
fn every_fault_of_the_keys_is_reported_and_no_secret_repeated() {
    let text = format!(
        r#"{GOOD}
[keys]
service = "nowhere"
kek_per = "row"
cache_ttl_s = 0
cache_mib = 0
memory_lock = "perhaps"
[[key_service]]
name = "Bao"
kind = "vault"
address = "http://bao.example.test"
auth = "token"
token = "hvs.hunter2"
region = "eu-central-1"
[[key_service]]
name = "local"
kind = "aws-kms"
region = "eu-central-1"
external_id = "x"
deletion_days = 3
tenants = ["acme"]
[[key_service]]
name = "two"
kind = "pkcs11"
tenants = ["acme"]
pin = "hunter2"
[[key_service]]
name = "three"
kind = "tpm"
"#
    );
    let errors = parse(&text, &[]).unwrap_err();
    let keys: Vec<&str> = errors.0.iter().map(|d| d.key.as_str()).collect();
    for key in [
        "keys.service",
        "keys.kek_per",
        "keys.cache_ttl_s",
        "keys.cache_mib",
        "keys.memory_lock",
        "key_service[0].name",
        "key_service[0].address",
        "key_service[0].token",
        "key_service[0].region",
        "key_service[1].external_id",
        "key_service[1].deletion_days",
        "key_service[2].module",
        "key_service[2].token_label",
        "key_service[2].pin",
        "key_service[3].kind",
    ] {
        assert!(keys.contains(&key), "{key} is not reported in {errors}");
    }
    assert!(!errors.to_string().contains("hunter2"), "a value is repeated: {errors}");
}
