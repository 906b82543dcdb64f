//! Other services of AWS, asked with the credentials that a store on S3 would use: JSON over HTTPS, signed by Signature
//! Version 4. It knows no service by itself; whoever asks says what its requests look like.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpResponse};
use serde_json::Value;
use url::Url;

use crate::Result;
use crate::credentials::{self, Settings, aws_domain};
use crate::error::{ErrorKind, StoreError};
use crate::object::connection::Connector;
use crate::object::s3::of_environment;
use crate::open::OpenOptions;

/// How long one request may take.
const PER_REQUEST: Duration = Duration::from_secs(3);
/// The waits before a request is tried again that may work then.
const WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1200)];
/// The longest answer that is read. A secret has at most 64 KiB.
const MAX_ANSWER: usize = 512 << 10;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name in signatures and in the names of its hosts, such as `ssm`.
    pub name: &'static str,
    /// How the variable ends that says where it is: `SSM` for `AWS_ENDPOINT_URL_SSM`.
    pub variable: &'static str,
}

/// A request. It may be sent more than once.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The service that is asked.
    pub service: Service,
    /// The region in which it is asked; that of the environment, if `None`.
    pub region: Option<&'a str>,
    /// `POST`, `PUT`...
    pub method: &'static str,
    /// The path, which begins with `/` and has nothing in it that would have to be encoded.
    pub path: String,
    /// The media type of the body, which for some services is a version of JSON.
    pub content_type: &'static str,
    /// The header `X-Amz-Target`, where a service has one address for everything.
    pub target: Option<&'static str>,
    /// What is said. It may be secret, as the answer may.
    pub body: &'a Value,
}

/// A service refused, or could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{}", if .message.is_empty() { .code.clone() } else { format!("{}: {}", .code, .message) })]
pub struct AwsError {
    /// The name of the error, such as `AccessDeniedException`; `Unreachable` if nobody answered.
    pub code: String,
    /// What the service said, cut to a few hundred characters.
    pub message: String,
    /// Whether the same request may work later.
    pub transient: bool,
}

impl AwsError {
    fn unreachable(error: &dyn std::error::Error) -> Self {
        Self { code: "Unreachable".into(), message: chain(error), transient: true }
    }

    /// Whether a right is missing.
    pub fn is_denied(&self) -> bool {
        self.code.starts_with("AccessDenied") || self.message.contains("is not authorized to perform")
    }

    /// Whether there is no such thing.
    pub fn is_missing(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ParameterNotFound" | "ParameterVersionNotFound" | "ResourceNotFoundException"
        )
    }
}

/// Asks services of AWS.
#[derive(Debug)]
pub struct Aws {
    credentials: AwsCredentialProvider,
    region: String,
    http: HttpClient,
    env: credentials::Environment,
    allow_http: bool,
}

impl Aws {
    /// Prepares to ask; nothing is asked yet. The region is that of the environment or of the profile.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if nothing says in which region, or a profile can't be used.
    pub fn new(options: &OpenOptions) -> Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let env = options.environment();
        let Settings { region, trusted, provider } = credentials::settings(&env, None)?;
        let Some(region) = region else {
            return Err(unready("nothing says in which region").hint("set AWS_REGION"));
        };
        let allow_http = env.get("AWS_ALLOW_HTTP").is_some_and(|allowed| allowed == "true" || allowed == "1");
        let http_options = ClientOptions::new().with_allow_http(allow_http);
        let connector = || Connector {
            per_request: Some(options.per_request.unwrap_or(PER_REQUEST)),
            trusted: trusted.clone(),
            ..Connector::default()
        };
        let builder = of_environment(&env)
            .with_bucket_name("none")
            .with_region(&region)
            .with_client_options(http_options.clone())
            .with_http_connector(connector());
        let builder = match provider {
            Some(provider) => builder.with_credentials(provider),
            None => builder,
        };
        let settings = builder.build().map_err(|error| unready("its settings do not fit").because(error))?;
        let http = connector().connect(&http_options).map_err(|error| unready("HTTP").because(error))?;
        Ok(Self { credentials: Arc::clone(settings.credentials()), region, http, env, allow_http })
    }

    /// The region that is asked in, unless a call says otherwise.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Asks, and again if that may help. An answer without a body is `null`.
    ///
    /// # Errors
    /// What the service said, or that it could not be asked.
    pub async fn call(&self, call: &Call<'_>) -> std::result::Result<Value, AwsError> {
        for wait in WAITS {
            match self.once(call).await {
                Err(error) if error.transient => tokio::time::sleep(wait).await,
                done => return done,
            }
        }
        self.once(call).await
    }

    async fn once(&self, call: &Call<'_>) -> std::result::Result<Value, AwsError> {
        let request = self.signed(call).await?;
        let response = self.http.execute(request).await.map_err(|error| AwsError::unreachable(&error))?;
        let status = response.status().as_u16();
        let named = response.headers().get("x-amzn-errortype").and_then(|name| name.to_str().ok());
        let named = named.map(str::to_owned);
        let body = bounded(response).await?;
        if (200..300).contains(&status) {
            return match body.is_empty() {
                true => Ok(Value::Null),
                false => serde_json::from_slice(&body).map_err(|_| AwsError {
                    code: "Unreadable".into(),
                    message: format!("{} answered something that is no JSON", call.service.name),
                    transient: false,
                }),
            };
        }
        Err(refused(status, named, &body))
    }

    async fn signed(&self, call: &Call<'_>) -> std::result::Result<HttpRequest, AwsError> {
        let wrong = |message: String| AwsError { code: "Unasked".into(), message, transient: false };
        let region = call.region.unwrap_or(&self.region);
        let url = format!("{}{}", self.endpoint(call.service, region).map_err(wrong)?, call.path);
        let mut request = HttpRequest::new(Bytes::from(call.body.to_string()).into());
        let invalid = || wrong(format!("{url} can't be asked"));
        *request.uri_mut() = url.parse().map_err(|_| invalid())?;
        *request.method_mut() = call.method.parse().map_err(|_| invalid())?;
        let headers = [("content-type", Some(call.content_type)), ("x-amz-target", call.target)];
        for (name, value) in headers {
            let Some(value) = value else { continue };
            request.headers_mut().insert(name, value.parse().map_err(|_| invalid())?);
        }
        let credential = self.credentials.get_credential().await.map_err(|error| AwsError {
            code: "NoCredentials".into(),
            message: chain(&error),
            transient: false,
        })?;
        let authorizer = AwsAuthorizer::new(&credential, call.service.name, region);
        authorizer.try_authorize(&mut request, None).map_err(|error| wrong(error.to_string()))?;
        Ok(request)
    }

    fn endpoint(&self, service: Service, region: &str) -> std::result::Result<String, String> {
        let own = format!("AWS_ENDPOINT_URL_{}", service.variable);
        let Some(said) = self.env.get(&own).or_else(|| self.env.get("AWS_ENDPOINT_URL")) else {
            return Ok(format!("https://{}.{region}.{}", service.name, aws_domain(region)));
        };
        let url = Url::parse(&said)
            .map_err(|error| format!("the endpoint of {} is no URL: {error}", service.name))?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => {
                return Err(format!(
                    "the endpoint of {} is reached without TLS; set AWS_ALLOW_HTTP=true, if that is wanted",
                    service.name
                ));
            }
        }
        Ok(said.trim_end_matches('/').to_owned())
    }
}

fn unready(problem: &str) -> StoreError {
    StoreError::new(ErrorKind::Config, "AWS can't be asked").because(problem.to_owned())
}

async fn bounded(response: HttpResponse) -> std::result::Result<Vec<u8>, AwsError> {
    let mut stream = response.into_body().bytes_stream();
    let mut all = Vec::new();
    while let Some(part) = stream.try_next().await.map_err(|error| AwsError::unreachable(&error))? {
        if all.len() + part.len() > MAX_ANSWER {
            let message = "the answer is far too long".to_owned();
            return Err(AwsError { code: "Unreadable".into(), message, transient: false });
        }
        all.extend_from_slice(&part);
    }
    Ok(all)
}

/// The name of an error stands in a header or in the body, and may have a namespace before or a URL behind it
/// (<https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization>).
fn refused(status: u16, named: Option<String>, body: &[u8]) -> AwsError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let named = named.or_else(|| text("__type")).or_else(|| text("code")).or_else(|| text("Code"));
    let named = named.unwrap_or_else(|| format!("HTTP {status}"));
    let code = named.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default();
    let throttled = ["Throttl", "TooManyRequests", "RequestLimitExceeded", "ServiceUnavailable", "InternalS"];
    let transient = status >= 500 || status == 429 || throttled.iter().any(|start| code.starts_with(start));
    let message = text("message").or_else(|| text("Message")).unwrap_or_default();
    AwsError { code: shortened(code), message: shortened(&message), transient }
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 600;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(header: Option<&str>, body: &str) -> (String, bool) {
        let error = refused(400, header.map(str::to_owned), body.as_bytes());
        (error.to_string(), error.transient)
    }

    #[test]
    fn errors_are_known_by_their_name_wherever_it_stands() {
        let of_ssm = r#"{"__type":"ParameterNotFound"}"#;
        let of_json =
            r#"{"__type":"com.amazonaws.x#AccessDeniedException","Message":"User: arn:aws:iam::1:user/x"}"#;
        assert_eq!(code(None, of_ssm), ("ParameterNotFound".into(), false));
        assert_eq!(code(None, of_json).0, "AccessDeniedException: User: arn:aws:iam::1:user/x");
        let by_header = Some("ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral/");
        assert_eq!(
            code(by_header, r#"{"message":"Rate exceeded"}"#),
            ("ThrottlingException: Rate exceeded".into(), true)
        );
        assert_eq!(code(None, "<html>"), ("HTTP 400".into(), false));
        assert!(refused(503, None, b"").transient);
    }

    #[test]
    fn a_service_is_where_the_environment_says_or_in_its_region() {
        let with = |pairs: &[(&str, &str)]| {
            let mut env: std::collections::BTreeMap<String, String> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            env.insert("AWS_REGION".into(), "cn-north-1".into());
            let aws = Aws::new(&OpenOptions { env: Some(env), ..OpenOptions::default() }).unwrap();
            aws.endpoint(Service { name: "ssm", variable: "SSM" }, aws.region())
        };
        assert_eq!(with(&[]), Ok("https://ssm.cn-north-1.amazonaws.com.cn".into()));
        assert_eq!(
            with(&[("AWS_ENDPOINT_URL", "https://a/"), ("AWS_ENDPOINT_URL_S3", "https://b")]),
            Ok("https://a".into())
        );
        let both = [("AWS_ENDPOINT_URL", "https://a"), ("AWS_ENDPOINT_URL_SSM", "http://b")];
        assert!(with(&both).unwrap_err().contains("without TLS"));
        assert_eq!(with(&[both[1], ("AWS_ALLOW_HTTP", "true")]), Ok("http://b".into()));
        assert!(Aws::new(&OpenOptions { env: Some(Default::default()), ..OpenOptions::default() }).is_err());
    }

    #[tokio::test]
    async fn credentials_come_from_where_a_store_has_them() {
        let pairs =
            [("AWS_REGION", "eu-west-1"), ("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere")];
        let env = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let aws = Aws::new(&OpenOptions { env: Some(env), ..OpenOptions::default() }).unwrap();
        let call = Call {
            service: Service { name: "ssm", variable: "SSM" },
            region: None,
            method: "POST",
            path: "/".to_owned(),
            content_type: "application/x-amz-json-1.1",
            target: None,
            body: &Value::Null,
        };
        let error = aws.once(&call).await.unwrap_err();
        assert_eq!(error.code, "NoCredentials");
        assert!(error.message.contains("AWS_EC2_METADATA_DISABLED"), "{error}");
    }
}
