//! Credentials of profiles, as a server sees them, and what is said when they can't be had.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the tests of Google Cloud Storage, which write")]
mod fake_http;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use tenko_core::roll::Cursor;
use tenko_store::ErrorKind;
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_s3::TestS3;

use fake_http::{Answer, FakeHttp, Request, authority};

fn home_with(config: &str, credentials: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
    home
}

fn options(home: &Path, more: &[(&str, &str)]) -> OpenOptions {
    let mut env = BTreeMap::from([("HOME".to_owned(), home.display().to_string())]);
    env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    OpenOptions { env: Some(env), per_request: None }
}

async fn try_news(url: &str, options: &OpenOptions) -> tenko_store::Result<()> {
    let store = open(url, options).await?;
    store.news(&Cursor::default(), Timestamp::now()).await.map(drop)
}

#[tokio::test]
async fn the_keys_of_a_profile_sign_the_requests() {
    let server = TestS3::start().await;
    let home = home_with(
        "[profile dev]\nregion = ap-northeast-1\n",
        "[default]\naws_access_key_id = CHECKER\naws_secret_access_key = CHECKER-secret\n\
         [dev]\naws_access_key_id = READER\naws_secret_access_key = READER-secret\n",
    );
    let url = server.url("");
    try_news(&url, &options(home.path(), &[("AWS_PROFILE", "dev")])).await.unwrap();
    try_news(&url, &options(home.path(), &[])).await.unwrap();
    try_news(&format!("{url}&profile=dev"), &options(home.path(), &[])).await.unwrap();
    let env =
        [("AWS_ACCESS_KEY_ID", "ADMIN"), ("AWS_SECRET_ACCESS_KEY", "ADMIN-secret"), ("AWS_PROFILE", "dev")];
    try_news(&url, &options(home.path(), &env)).await.unwrap();
    try_news(&format!("{url}&profile=dev"), &options(home.path(), &env)).await.unwrap();
    assert_eq!(server.access_keys_seen(), ["READER", "CHECKER", "READER", "ADMIN", "READER"]);
}

#[tokio::test]
async fn a_credential_process_signs_the_requests() {
    let server = TestS3::start().await;
    let home = home_with(
        "[profile sso]\ncredential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"READER\", \"SecretAccessKey\": \"READER-secret\"}'\n",
        "",
    );
    try_news(&server.url(""), &options(home.path(), &[("AWS_PROFILE", "sso")])).await.unwrap();
    assert_eq!(server.access_keys_seen(), ["READER"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_said() {
    let server = TestS3::start().await;
    let home = home_with(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = default\n\
         [profile broken]\ncredential_process = exit 3\n\
         [profile sso]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = Reader\n\
         [sso-session acme]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-central-1\n",
        "",
    );
    let mut told = String::new();
    for (profile, kind) in [
        ("nobody", ErrorKind::Config),
        ("role", ErrorKind::Config),
        ("broken", ErrorKind::Denied),
        ("sso", ErrorKind::Denied),
    ] {
        let error =
            try_news(&server.url(""), &options(home.path(), &[("AWS_PROFILE", profile)])).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let cause = std::error::Error::source(&error).unwrap();
        told.push_str(&format!("{error}\n  {cause}\n  help: {}\n", error.help().unwrap_or("-")));
    }
    insta::assert_snapshot!(told);
}

fn told(error: &tenko_store::StoreError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}\n  {cause}\n  help: {}\n", error.help().unwrap_or("-"))
}

/// Somebody who signed in and whose token is `token`.
fn home_signed_in(token: &str, until: &str) -> tempfile::TempDir {
    let home = home_with(
        "[profile dev]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = Reader\n\
         [sso-session acme]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-central-1\n",
        "",
    );
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let text = format!(
        r#"{{"startUrl":"https://acme.awsapps.com/start","region":"eu-central-1","accessToken":"{token}","expiresAt":"{until}"}}"#
    );
    std::fs::write(cache.join("0123.json"), text).unwrap();
    home
}

/// `GetRoleCredentials` of AWS: `good` may be a reader, `other` may not, and everybody else has to sign in again.
fn role_credentials(request: &Request) -> Answer {
    assert_eq!((&*request.method, &*request.path), ("GET", "/federation/credentials"));
    assert_eq!((request.says("role_name"), request.says("account_id")), ("Reader", "123456789012"));
    match request.header("x-amz-sso_bearer_token") {
        "good" => Answer::new(
            200,
            r#"{"roleCredentials":{"accessKeyId":"READER","secretAccessKey":"READER-secret","sessionToken":"T","expiration":7258118400000}}"#,
        ),
        "other" => Answer::new(
            403,
            r#"{"message":"No access","__type":"com.amazonaws.switchboard.portal#ForbiddenException"}"#,
        ),
        _ => Answer::new(401, r#"{"message":"Session token not found or invalid"}"#),
    }
}

#[tokio::test]
async fn whoever_signed_in_gets_the_credentials_of_the_role() {
    let server = TestS3::start().await;
    let portal = FakeHttp::start_tls(role_credentials).await;
    let endpoint = format!("https://localhost:{}", portal.port());
    let env = [("AWS_PROFILE", "dev"), ("AWS_ENDPOINT_URL_SSO", &*endpoint), ("AWS_CA_BUNDLE", authority())];
    let home = home_signed_in("good", "2199-01-01T00:00:00Z");
    let store = open(&server.url(""), &options(home.path(), &env)).await.unwrap();
    for _ in 0..3 {
        store.news(&Cursor::default(), Timestamp::now()).await.unwrap();
    }
    assert_eq!(server.access_keys_seen(), ["READER"]);
    assert_eq!(portal.asked().len(), 1);

    let mut said = String::new();
    for (token, until) in [
        ("good", "2020-01-01T00:00:00Z"),
        ("withdrawn", "2199-01-01T00:00:00Z"),
        ("other", "2199-01-01T00:00:00Z"),
    ] {
        let home = home_signed_in(token, until);
        let error = try_news(&server.url(""), &options(home.path(), &env)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        said.push_str(&format!("{token} until {until}\n{}", told(&error)));
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn nobody_signs_in_to_a_server_that_nobody_vouches_for() {
    let server = TestS3::start().await;
    let portal = FakeHttp::start_tls(role_credentials).await;
    let endpoint = format!("https://localhost:{}", portal.port());
    let env = [("AWS_PROFILE", "dev"), ("AWS_ENDPOINT_URL_SSO", &*endpoint)];
    let home = home_signed_in("good", "2199-01-01T00:00:00Z");
    let error = try_news(&server.url(""), &options(home.path(), &env)).await.unwrap_err();
    assert!(told(&error).contains("certificate"), "{}", told(&error));
    assert!(portal.asked().is_empty());
    let plain = FakeHttp::start(role_credentials).await;
    let endpoint = format!("http://localhost:{}", plain.port());
    let env = [("AWS_PROFILE", "dev"), ("AWS_ENDPOINT_URL_SSO", &*endpoint)];
    try_news(&server.url(""), &options(home.path(), &env)).await.unwrap_err();
    assert!(plain.asked().is_empty());
}

#[tokio::test]
async fn a_bucket_is_trusted_by_the_authorities_that_aws_ca_bundle_names() {
    let page = "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";
    let server = FakeHttp::start_tls(move |_| Answer::new(200, page)).await;
    let url = format!("s3://bucket?endpoint=https://localhost:{}", server.port());
    let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")];
    let with = |path: &'static str| [keys[0], keys[1], ("AWS_CA_BUNDLE", path)];
    let home = home_with("", "");
    try_news(&url, &options(home.path(), &with(authority()))).await.unwrap();
    let error = try_news(&url, &options(home.path(), &keys)).await.unwrap_err();
    assert!(told(&error).contains("certificate"), "{}", told(&error));
    // The profile says it, too.
    let of_profile = home_with(&format!("[default]\nca_bundle = {}\n", authority()), "");
    try_news(&url, &options(of_profile.path(), &keys)).await.unwrap();

    let mut said = String::new();
    for path in ["/nowhere/ca.pem", "/dev/null"] {
        let error = try_news(&url, &options(home.path(), &with(path))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        said.push_str(&told(&error));
    }
    insta::assert_snapshot!(said);
}

/// `AssumeRoleWithWebIdentity` of AWS.
fn security_tokens(request: &Request) -> Answer {
    assert_eq!(request.says("Action"), "AssumeRoleWithWebIdentity");
    assert_eq!(request.says("RoleArn"), "arn:aws:iam::123456789012:role/reader");
    if request.says("WebIdentityToken") != "a token of the cluster" {
        return Answer::new(
            400,
            "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>No</Message></Error></ErrorResponse>",
        );
    }
    Answer::new(
        200,
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <SessionToken>T</SessionToken><SecretAccessKey>READER-secret</SecretAccessKey>\
         <Expiration>2199-01-01T00:00:00Z</Expiration><AccessKeyId>READER</AccessKeyId>\
         </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
    )
}

#[tokio::test]
async fn a_web_identity_is_changed_for_credentials() {
    let server = TestS3::start().await;
    let sts = FakeHttp::start_tls(security_tokens).await;
    let endpoint = format!("https://localhost:{}", sts.port());
    let home = home_with("", "");
    let token = home.path().join("token");
    std::fs::write(&token, "a token of the cluster").unwrap();
    let env = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", &*endpoint),
        ("AWS_CA_BUNDLE", authority()),
    ];
    try_news(&server.url(""), &options(home.path(), &env)).await.unwrap();
    assert_eq!(server.access_keys_seen(), ["READER"]);
    std::fs::write(&token, "a token of yesterday").unwrap();
    let error = try_news(&server.url(""), &options(home.path(), &env)).await.unwrap_err();
    insta::assert_snapshot!(format!("{:?}: {}", error.kind(), told(&error)));
}

/// What containers and machines are given, with a token of their own.
const INSTANCE: &str = r#"{"Code":"Success","AccessKeyId":"READER","SecretAccessKey":"READER-secret","Token":"T","Expiration":"2199-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn a_container_is_given_credentials() {
    let server = TestS3::start().await;
    let agent = FakeHttp::start(|request| match request.header("authorization") {
        "of the pod" => Answer::new(200, INSTANCE),
        _ => Answer::new(401, ""),
    })
    .await;
    let endpoint = format!("http://127.0.0.1:{}/v1/credentials", agent.port());
    let home = home_with("", "");
    let token = home.path().join("token");
    std::fs::write(&token, "of the pod").unwrap();
    let env = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*endpoint),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
    ];
    try_news(&server.url(""), &options(home.path(), &env)).await.unwrap();
    assert_eq!(server.access_keys_seen(), ["READER"]);
    assert_eq!(agent.asked()[0].path, "/v1/credentials");
}

#[tokio::test]
async fn a_container_is_given_credentials_for_a_token_in_the_environment() {
    let server = TestS3::start().await;
    let agent = FakeHttp::start(|request| match request.header("authorization") {
        "of the shell" => Answer::new(200, INSTANCE),
        _ => Answer::new(401, ""),
    })
    .await;
    let endpoint = format!("http://localhost:{}/latest/credentials", agent.port());
    let home = home_with("", "");
    let with = |token| {
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*endpoint), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)]
    };
    try_news(&server.url(""), &options(home.path(), &with("of the shell"))).await.unwrap();
    assert_eq!(server.access_keys_seen(), ["READER"]);
    let mut said = String::new();
    let elsewhere = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://agent.example/")];
    let nowhere = [("AWS_EC2_METADATA_DISABLED", "true")];
    for env in [&with("of somebody else")[..], &elsewhere, &nowhere] {
        let error = try_news(&server.url(""), &options(home.path(), env)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        said.push_str(&told(&error));
    }
    insta::assert_snapshot!(said);
}

/// Version 2 of the metadata service: nothing without a token that only a PUT gives.
fn metadata(request: &Request) -> Answer {
    let roles = "/latest/meta-data/iam/security-credentials/";
    match (&*request.method, &*request.path) {
        ("PUT", "/latest/api/token") => {
            assert!(!request.header("x-aws-ec2-metadata-token-ttl-seconds").is_empty());
            Answer::new(200, "of the machine")
        }
        ("GET", _) if request.header("x-aws-ec2-metadata-token") != "of the machine" => Answer::new(401, ""),
        ("GET", path) if path == roles => Answer::new(200, "checker"),
        ("GET", path) if path == format!("{roles}checker") => Answer::new(200, INSTANCE),
        _ => Answer::new(404, ""),
    }
}

#[tokio::test]
async fn a_machine_has_a_role() {
    let server = TestS3::start().await;
    let machine = FakeHttp::start(metadata).await;
    let endpoint = format!("http://127.0.0.1:{}", machine.port());
    let home = home_with("", "");
    for name in ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_METADATA_ENDPOINT"] {
        try_news(&server.url(""), &options(home.path(), &[(name, &endpoint)])).await.unwrap();
    }
    assert_eq!(server.access_keys_seen(), ["READER"]);
}
