//! Credentials of profiles, as a server sees them, and what is said when they can't be had.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use tenko_core::roll::Cursor;
use tenko_store::ErrorKind;
use tenko_store::open::{OpenOptions, open};
use tenko_store::testkit_s3::TestS3;

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
