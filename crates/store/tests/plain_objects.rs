//! Objects that somebody else writes: what a bucket and a directory say of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use tenko_store::open::{ObjectMeta, OpenOptions, PlainObjects, open_objects};
use tenko_store::testkit_s3::{Ask, Key, TestS3};

const KEYS: [&str; 7] =
    ["a/1.txt", "a/2.txt", "a/deep/3.txt", "a/deep/er/4.txt", "a/z.txt", "ab.txt", "b/5.txt"];

/// The same objects in a bucket and in a directory.
async fn both() -> (TestS3, tempfile::TempDir, [PlainObjects; 2]) {
    let server = TestS3::start().await;
    let place = tempfile::tempdir().unwrap();
    for key in KEYS {
        server.put(key, key);
        let path = place.path().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, key).unwrap();
    }
    let options = OpenOptions { env: Some(server.env(Key::Reader)), per_request: None };
    let bucket = open_objects(&server.url(""), &options).await.unwrap();
    let directory = open_objects(&format!("file://{}", place.path().display()), &options).await.unwrap();
    (server, place, [bucket, directory])
}

fn keys(objects: &[ObjectMeta]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

#[tokio::test]
async fn one_directory_is_listed_without_those_below_it() {
    let (_server, _place, places) = both().await;
    for objects in places {
        let flat = async |prefix| objects.list_flat(prefix, 1000).await.unwrap();
        assert_eq!(keys(&flat("a/").await.objects), ["a/1.txt", "a/2.txt", "a/z.txt"]);
        assert_eq!(keys(&flat("a").await.objects), ["ab.txt"]);
        assert_eq!(keys(&flat("a/deep/").await.objects), ["a/deep/3.txt"]);
        assert_eq!(keys(&flat("").await.objects), ["ab.txt"]);
        let none = flat("nothing/").await;
        assert!(none.objects.is_empty() && none.complete);
        let page = objects.page("a", "a/deep/3.txt").await.unwrap();
        assert_eq!(keys(&page.objects), ["a/deep/er/4.txt", "a/z.txt", "ab.txt"]);
        assert!(page.complete);
    }
}

#[tokio::test]
async fn thousands_are_listed_page_by_page_and_no_further_than_is_wanted() {
    let (server, place, places) = both().await;
    fs::create_dir(place.path().join("many")).unwrap();
    for number in 0..2500 {
        server.put(&format!("many/{number:04}"), "x");
        server.put(&format!("many/below/{number:04}"), "x");
        fs::write(place.path().join(format!("many/{number:04}")), "x").unwrap();
    }
    server.reset_counts();
    for objects in places {
        let all = objects.list_flat("many/", 10_000).await.unwrap();
        assert!(all.complete);
        assert_eq!((all.objects.len(), all.objects[2499].key.as_str()), (2500, "many/2499"));
        let some = objects.list_flat("many/", 1000).await.unwrap();
        assert_eq!((some.objects.len(), some.complete), (1000, false));
    }
    // What lies below counts as one.
    assert_eq!(server.count(Ask::List), 3 + 1);
}

#[tokio::test]
async fn a_tag_is_the_same_whether_it_is_asked_for_alone_or_listed() {
    let (_server, _place, places) = both().await;
    for objects in places {
        let listed = objects.list_flat("a/1", 1).await.unwrap().objects.remove(0);
        assert_eq!(objects.head("a/1.txt").await.unwrap(), Some(listed));
    }
}

#[tokio::test]
async fn the_same_content_is_recognised() {
    let (server, place, places) = both().await;
    let large = |mark: u8| [vec![0; 300_000], vec![mark], vec![0; 300_000]].concat();
    let bodies: [(&str, Vec<u8>); 6] = [
        ("x/one", large(1)),
        ("x/same", large(1)),
        ("x/other-end", [large(1), vec![7]].concat()[1..].to_vec()),
        ("x/longer", [large(1), vec![0]].concat()),
        ("x/empty", Vec::new()),
        ("x/void", Vec::new()),
    ];
    fs::create_dir(place.path().join("x")).unwrap();
    for (key, body) in bodies {
        fs::write(place.path().join(key), &body).unwrap();
        server.put(key, body);
    }
    for objects in places {
        let known = async |key| objects.head(key).await.unwrap().unwrap();
        let same = async |one, other| {
            let (one, other) = (known(one).await, known(other).await);
            objects.have_same_content(&one, &other).await.unwrap().unwrap()
        };
        assert!(same("x/one", "x/same").await);
        assert!(!same("x/one", "x/other-end").await);
        assert!(!same("x/one", "x/longer").await);
        assert!(same("x/empty", "x/void").await);
        let gone = ObjectMeta { key: "x/gone".into(), etag: None, ..known("x/one").await };
        assert_eq!(objects.have_same_content(&known("x/one").await, &gone).await.unwrap(), None);
    }
    // Tags tell, but for the one that has none.
    assert!(server.count(Ask::Get) <= 2);
}

#[tokio::test]
async fn the_folders_that_consoles_make_are_no_objects() {
    let (server, _place, [bucket, _]) = both().await;
    server.put("a/", "");
    assert_eq!(keys(&bucket.list_flat("a/", 1000).await.unwrap().objects), ["a/1.txt", "a/2.txt", "a/z.txt"]);
    assert_eq!(bucket.page("a/", "").await.unwrap().objects.len(), 5);
}
