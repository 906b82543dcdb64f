//! What Google Cloud Storage documents of its XML interface, as far as a store uses it
//! (<https://cloud.google.com/storage/docs/xml-api/reference-methods>,
//! <https://cloud.google.com/storage/docs/xml-api/get-bucket-list>).
//!
//! It was written after the documentation, not after the service, which no test of this project has ever reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tenko_store::SharedStore;
use tenko_store::open::{OpenOptions, open};

use crate::fake_http::{Answer, FakeHttp, Request};

pub(crate) const BUCKET: &str = "acme-rollcall";

struct Object {
    body: Vec<u8>,
    generation: usize,
    written: Timestamp,
}

/// One bucket, and tokens for those who may do everything (`owner`), only create (`creator`), only read and list
/// (`viewer`), or nothing (`nobody`).
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Object>>,
}

/// The server. It ends with this.
pub(crate) struct Google(FakeHttp);

impl Google {
    pub(crate) async fn start() -> Self {
        let bucket = Arc::new(Bucket::default());
        Self(FakeHttp::start(move |request| bucket.answer(request)).await)
    }

    pub(crate) async fn open(&self, bucket: &str, prefix: &str, token: &str) -> SharedStore {
        let endpoint = format!("http://127.0.0.1:{}", self.0.port());
        let url = format!("gs://{bucket}/{prefix}?endpoint={endpoint}&allow_http=true");
        let env = BTreeMap::from([("GOOGLE_BEARER_TOKEN".to_owned(), token.to_owned())]);
        open(&url, &OpenOptions { env: Some(env), per_request: None }).await.unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.0.asked()
    }
}

impl Bucket {
    fn answer(&self, request: &Request) -> Answer {
        let (bucket, key) =
            request.path.trim_start_matches('/').split_once('/').unwrap_or((&request.path[1..], ""));
        let right = match (&*request.method, key) {
            ("PUT", _) => "create",
            ("DELETE", _) => "delete",
            (_, "") => "list",
            _ => "get",
        };
        if let Err(refusal) = granted(request, right) {
            return refusal;
        }
        if bucket != BUCKET {
            return refused(404, "NoSuchBucket", "The specified bucket does not exist.", "");
        }
        match &*request.method {
            "PUT" => self.put(request, key),
            "DELETE" => self.delete(key),
            _ if key.is_empty() => self.list(request),
            _ => self.get(key),
        }
    }

    fn put(&self, request: &Request, key: &str) -> Answer {
        let mut objects = self.objects.lock().unwrap();
        if objects.contains_key(key) {
            // To replace is to delete, and that is looked at first here: the worst that is thinkable.
            if let Err(refusal) = granted(request, "delete") {
                return refusal;
            }
            if request.header("x-goog-if-generation-match") == "0" {
                let message = "At least one of the pre-conditions you specified did not hold.";
                return refused(412, "PreconditionFailed", message, "");
            }
        }
        let generation = objects.len() + 1;
        objects.insert(
            key.to_owned(),
            Object { body: request.body.clone(), generation, written: Timestamp::now() },
        );
        Answer::new(200, "")
            .with("ETag", format!("\"{generation}\""))
            .with("x-goog-generation", generation.to_string())
    }

    fn get(&self, key: &str) -> Answer {
        let objects = self.objects.lock().unwrap();
        let Some(object) = objects.get(key) else {
            return refused(404, "NoSuchKey", "The specified key does not exist.", "");
        };
        let written = object.written.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        Answer::new(200, object.body.clone())
            .with("ETag", format!("\"{}\"", object.generation))
            .with("x-goog-generation", object.generation.to_string())
            .with("Last-Modified", written)
    }

    fn delete(&self, key: &str) -> Answer {
        match self.objects.lock().unwrap().remove(key) {
            Some(_) => Answer::new(204, ""),
            None => refused(404, "NoSuchKey", "The specified key does not exist.", ""),
        }
    }

    fn list(&self, request: &Request) -> Answer {
        assert_eq!(request.says("list-type"), "2");
        let after = request.says("continuation-token").max(request.says("start-after"));
        let at_most = request.says("max-keys").parse::<usize>().unwrap_or(1000).min(1000);
        let objects = self.objects.lock().unwrap();
        let mut found =
            objects.iter().filter(|(key, _)| key.starts_with(request.says("prefix")) && key.as_str() > after);
        let page: Vec<_> = found.by_ref().take(at_most).collect();
        let next = found
            .next()
            .and(page.last())
            .map(|(key, _)| format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(key)));
        let contents: String = page.into_iter().map(|(key, object)| content(key, object)).collect();
        let next = next.unwrap_or_default();
        let xml = format!(
            "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>\
             <Name>{BUCKET}</Name>{contents}{next}</ListBucketResult>"
        );
        Answer::new(200, xml)
    }
}

fn content(key: &str, object: &Object) -> String {
    format!(
        "<Contents><Key>{}</Key><Generation>{}</Generation><LastModified>{}</LastModified><ETag>\"{}\"</ETag><Size>{}</Size></Contents>",
        escaped(key),
        object.generation,
        object.written.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"),
        object.generation,
        object.body.len()
    )
}

fn granted(request: &Request, right: &str) -> Result<(), Answer> {
    let token = request.header("authorization").trim_start_matches("Bearer ");
    let may = match token {
        "owner" => true,
        "creator" => right == "create",
        "viewer" => right == "get" || right == "list",
        "nobody" => false,
        _ => return Err(refused(401, "AuthenticationRequired", "Authentication required.", "")),
    };
    let details = format!(
        "{token}@acme.iam.gserviceaccount.com does not have storage.objects.{right} access to the Google Cloud Storage object."
    );
    if may { Ok(()) } else { Err(refused(403, "AccessDenied", "Access denied.", &details)) }
}

fn refused(status: u16, code: &str, message: &str, details: &str) -> Answer {
    Answer::new(
        status,
        format!(
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message><Details>{details}</Details></Error>"
        ),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
