//! KEKs and data keys at moto.

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use kms_bridge::{
    AssumedRole, AwsKms, Destruction, ExternalId, KekProvider, ProviderError, RoleArn, SessionName, Severity,
};
use serde_json::{Value, json};

use super::{
    SECRET, TOKEN, config,
    gate::{Fault, Gate},
    lasting_keys,
    moto::Moto,
    provider,
};
use crate::contract::{self, fresh_dek, fresh_kek, unwrap_one, wrapped};

/// Computes the signature of a request that came, by botocore.
const BOTOCORE: &str = r"
import json, sys
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
seen = json.load(sys.stdin)
class Fixed(SigV4Auth):
    def _modify_request_before_signing(self, request): pass
signer = Fixed(Credentials('AKIDCANARY', seen['secret'], seen['token']), seen['service'], 'eu-central-1')
request = AWSRequest('POST', seen['url'], headers=seen['headers'], data=seen['body'])
request.context['timestamp'] = seen['headers']['x-amz-date']
to_sign = signer.string_to_sign(request, signer.canonical_request(request))
print(signer.signature(to_sign, request))
";

#[tokio::test]
async fn moto_behind_the_gate_keeps_the_contract() {
    let Some(moto) = Moto::start().await else { return };
    let gate = Gate::open(Some(moto.address)).await;
    contract::holds(&provider(&gate)).await;
}

#[tokio::test]
async fn a_disabled_key_is_told_from_one_that_is_cut_off() {
    let Some(moto) = Moto::start().await else { return };
    let gate = Gate::open(Some(moto.address)).await;
    let (kms, kek) = (provider(&gate), fresh_kek());
    kms.create_kek(&kek).await.unwrap();
    let key = wrapped(&kms, &kek, &fresh_dek()).await;
    let id = operate(&gate, "DescribeKey", &json!({"KeyId": format!("alias/aios/{kek}")})).await;
    let id = json!({"KeyId": id["KeyMetadata"]["KeyId"]});

    operate(&gate, "DisableKey", &id).await;
    assert!(matches!(unwrap_one(&kms, &key).await, Err(ProviderError::Disabled)));
    operate(&gate, "EnableKey", &id).await;
    assert!(unwrap_one(&kms, &key).await.is_ok());
    // An invalid state of a key that is enabled is no switch that somebody turned.
    gate.fault("Decrypt", Fault::Refuse("KMSInvalidStateException"), 1);
    assert!(matches!(unwrap_one(&kms, &key).await, Err(ProviderError::Unavailable(_))));

    // What operators cancel opens again, after they enable it: the promise says so.
    let waits = kms.destroy(&kek).await.unwrap();
    assert_eq!(waits, Destruction::Scheduled { after: Duration::from_secs(7 * 86_400) });
    assert!(matches!(unwrap_one(&kms, &key).await, Err(ProviderError::Disabled)));
    operate(&gate, "CancelKeyDeletion", &id).await;
    assert!(matches!(unwrap_one(&kms, &key).await, Err(ProviderError::Disabled)));
    operate(&gate, "EnableKey", &id).await;
    assert!(unwrap_one(&kms, &key).await.is_ok());
}

#[tokio::test]
async fn a_half_done_destruction_and_creation_are_taken_up_again() {
    let Some(moto) = Moto::start().await else { return };
    let gate = Gate::open(Some(moto.address)).await;
    let (kms, kek) = (provider(&gate), fresh_kek());
    gate.fault("CreateAlias", Fault::Status(500), 1);
    assert!(matches!(kms.create_kek(&kek).await, Err(ProviderError::Unavailable(_))));
    // A key is there, and nothing finds it by the name.
    kms.create_kek(&kek).await.unwrap();
    // Who may not look may still make: the alias decides.
    gate.fault("DescribeKey", Fault::Refuse("AccessDeniedException"), 1);
    assert!(matches!(kms.create_kek(&kek).await, Err(ProviderError::KekExists)));
    // Another process was faster between our look and our alias.
    gate.fault("DescribeKey", Fault::Refuse("NotFoundException"), 1);
    assert!(matches!(kms.create_kek(&kek).await, Err(ProviderError::KekExists)));

    let key = wrapped(&kms, &kek, &fresh_dek()).await;
    gate.fault("ScheduleKeyDeletion", Fault::Refuse("AccessDeniedException"), 1);
    assert!(matches!(kms.destroy(&kek).await, Err(ProviderError::Denied(_))));
    assert!(matches!(unwrap_one(&kms, &key).await, Err(ProviderError::Disabled)));
    assert!(matches!(kms.destroy(&kek).await, Ok(Destruction::Scheduled { .. })));
}

#[tokio::test]
async fn requests_are_pinned_bound_and_signed_as_botocore_signs() {
    let Some(moto) = Moto::start().await else { return };
    let gate = Gate::open(Some(moto.address)).await;
    let (kms, kek) = (provider(&gate), fresh_kek());
    kms.create_kek(&kek).await.unwrap();
    let key = wrapped(&kms, &kek, &fresh_dek()).await;
    unwrap_one(&kms, &key).await.unwrap();

    for operation in ["Encrypt", "Decrypt", "CreateKey"] {
        let seen = gate.seen(operation).remove(0);
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        if operation != "CreateKey" {
            assert_eq!(body["KeyId"], format!("alias/aios/{kek}"));
            let context = body["EncryptionContext"]["aios-wrap-context"].as_str().unwrap();
            assert!(context.len() == 64 && !seen.body.windows(4).any(|w| w == b"acme" || w == b"docs"));
        }
        let header = |name: &str| seen.headers[name].to_str().unwrap();
        let authorization = header("authorization");
        let (_, signed) = authorization.split_once("SignedHeaders=").unwrap();
        let (signed, signature) = signed.split_once(", Signature=").unwrap();
        assert_eq!(signed, "content-type;host;x-amz-date;x-amz-security-token;x-amz-target");
        let headers: Value = signed.split(';').map(|name| (name.to_owned(), Value::from(header(name)))).collect();
        let input = json!({
            "secret": SECRET, "token": TOKEN, "service": "kms", "url": gate.url() + "/", "headers": headers,
            "body": String::from_utf8(seen.body.to_vec()).unwrap(),
        });
        let mut python = Command::new(&moto.python)
            .args(["-c", BOTOCORE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
        let output = python.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), signature, "{operation}");
    }
}

#[tokio::test]
async fn a_tenant_keeps_its_keks_in_its_own_account() {
    let Some(moto) = Moto::start().await else { return };
    let gate = Gate::open(Some(moto.address)).await;
    let ours = provider(&gate);
    let mut theirs = config(&gate, lasting_keys());
    theirs.assume = Some(AssumedRole {
        role: RoleArn::new("arn:aws:iam::222222222222:role/aios").unwrap(),
        external_id: Some(ExternalId::new("tenant-7:x/y").unwrap()),
        session: SessionName::default(),
    });
    let theirs = AwsKms::new(theirs).unwrap();
    let kek = fresh_kek();
    theirs.create_kek(&kek).await.unwrap();
    let dek = fresh_dek();
    let key = wrapped(&theirs, &kek, &dek).await;
    assert_eq!(unwrap_one(&theirs, &key).await.unwrap().expose(), dek.expose());
    assert!(matches!(unwrap_one(&ours, &key).await, Err(ProviderError::UnknownKek)));
    let asked = gate.seen("AssumeRole");
    assert_eq!(asked.len(), 1, "the role's keys are used until their end");
    let form = String::from_utf8(asked[0].body.to_vec()).unwrap();
    assert!(form.contains("&ExternalId=tenant-7%3Ax%2Fy"), "{form}");
    assert!(asked[0].headers["authorization"].to_str().unwrap().contains("/eu-central-1/sts/aws4_request"));
}

#[tokio::test]
async fn a_web_identity_is_traded_for_keys() {
    let Some(moto) = Moto::start().await else { return };
    let gate = Gate::open(Some(moto.address)).await;
    let home = tempfile::tempdir().unwrap();
    let token_file = home.path().join("token");
    std::fs::write(&token_file, "canary.web.token\n").unwrap();
    let credentials = kms_bridge::AwsCredentials::WebIdentity {
        role: RoleArn::new("arn:aws:iam::123456789012:role/aios").unwrap(),
        token_file: token_file.clone(),
        session: SessionName::default(),
    };
    let kms = AwsKms::new(config(&gate, credentials)).unwrap();
    kms.create_kek(&fresh_kek()).await.unwrap();
    let asked = gate.seen("AssumeRoleWithWebIdentity");
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].headers.contains_key("authorization"));
    assert!(String::from_utf8(asked[0].body.to_vec()).unwrap().contains("WebIdentityToken=canary.web.token"));
}

#[tokio::test]
async fn the_doctor_names_what_weakens_a_promise() {
    let Some(moto) = Moto::start().await else { return };
    let gate = Gate::open(Some(moto.address)).await;
    let findings = provider(&gate).examine().await;
    assert_eq!(findings[0].severity, Severity::Fine, "{findings:?}");
    assert!(findings.iter().any(|f| f.severity == Severity::Warning && f.text.contains("7 days")));
    gate.fault("DescribeKey", Fault::Refuse("AccessDeniedException"), 1);
    let findings = provider(&gate).examine().await;
    assert_eq!(findings[0].severity, Severity::Broken);
    assert!(findings[0].text.contains("AccessDeniedException"), "{findings:?}");
}

/// What an operator of the account does.
async fn operate(gate: &Gate, operation: &str, body: &Value) -> Value {
    use http_body_util::{BodyExt, Full};
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = http::Request::post(gate.url() + "/")
        .header("x-amz-target", format!("TrentService.{operation}"))
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=AKIDOPERATOR/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=0")
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{operation}");
    let answer = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&answer).unwrap_or(Value::Null)
}

// The type is used behind an `Arc` by the bridge.
const _: fn(AwsKms) -> Arc<dyn KekProvider> = |kms| Arc::new(kms);
