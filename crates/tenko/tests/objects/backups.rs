//! The recipes of docs/backups.md, on the names that each program gives to its objects.

use super::bucket::Morning;

/// The lines of a job in the documentation, without its name.
fn recipe(name: &str) -> String {
    let page = include_str!("../../../../docs/backups.md");
    let (_, rest) = page.split_once(&format!("[jobs.{name}]\n")).unwrap();
    rest.split_once("```").unwrap().0.replace("s3://backups/", "s3://tenko-test/")
}

async fn recipe_of(name: &str) -> Morning {
    Morning::with(&recipe(name)).await
}

/// A name as programs make it from a hash.
fn hash(of: &str) -> String {
    let digits = of.bytes().cycle().take(32).enumerate();
    digits.map(|(place, byte)| format!("{:02x}", usize::from(byte) * (place + 7) % 256)).collect()
}

#[tokio::test]
async fn pg_dump() {
    let morning = recipe_of("pg-dump").await;
    let dump = |day: u8, size: usize| {
        let key = format!("db/2026/11/dump-2026-11-{day}-0312.sql.gz");
        morning.upload(&format!("{day} 03:12"), &key, &format!("{day}").repeat(size / 2));
    };
    dump(22, 4000);
    assert_eq!(morning.at("22 05:00").await, "up since 22 03:12");
    dump(23, 4100);
    assert_eq!(morning.at("23 05:00").await, "up");
    dump(24, 2000);
    assert_eq!(morning.at("24 05:00").await, "down bad_evidence since 24 03:12");
    dump(25, 4200);
    assert_eq!(morning.at("25 05:00").await, "up since 25 03:12");
    assert_eq!(morning.at("26 05:00").await, "down missed since 26 04:00");
}

/// A backup of the night of the 23rd, traffic of all kinds on the 24th, and the backup of the 25th.
async fn nights(recipe: &str, backup: impl Fn(u8) -> String, noise: &[String]) {
    let morning = recipe_of(recipe).await;
    morning.upload("23 03:20", &backup(23), "a backup");
    for key in noise {
        morning.upload("23 03:15", key, "something else");
    }
    assert_eq!(morning.at("23 12:00").await, "up since 23 03:20", "{recipe}");
    for key in noise {
        morning.upload("24 03:20", key, "something else");
    }
    assert_eq!(morning.at("24 03:30").await, "late", "{recipe}");
    let missed = morning.at("24 12:00").await;
    assert!(missed.starts_with("down missed since 24 0"), "{recipe}: {missed}");
    morning.upload("25 03:25", &backup(25), "a backup");
    assert_eq!(morning.at("25 12:00").await, "up since 25 03:25", "{recipe}");
    let (heads, lists) = morning.asked();
    assert!(heads + lists <= 4, "{recipe}: {heads} HEAD and {lists} LIST");
}

#[tokio::test]
async fn restic() {
    let pack = hash("pack");
    let noise = [
        "restic/config".to_owned(),
        format!("restic/keys/{}", hash("key")),
        format!("restic/locks/{}", hash("lock")),
        format!("restic/index/{}", hash("index")),
        format!("restic/data/{}/{pack}", &pack[..2]),
    ];
    nights("restic", |day| format!("restic/snapshots/{}", hash(&day.to_string())), &noise).await;
}

#[tokio::test]
async fn restic_of_a_laptop() {
    let morning = recipe_of("restic-laptop").await;
    morning.upload("20 14:00", &format!("restic/snapshots/{}", hash("a")), "a snapshot");
    assert_eq!(morning.at("20 15:00").await, "up since 20 14:00");
    assert_eq!(morning.at("22 15:00").await, "late");
    morning.upload("23 09:00", &format!("restic/snapshots/{}", hash("b")), "a snapshot");
    assert_eq!(morning.at("23 15:00").await, "up");
    assert_eq!(morning.at("26 10:00").await, "down missed since 26 09:00");
}

#[tokio::test]
async fn borg_in_a_bucket() {
    let lines = recipe("borg").replace("file:///srv/borg/repo", "s3://tenko-test/borg");
    let morning = Morning::with(&lines).await;
    let commit = |time: &str, number: u32| {
        for name in ["index", "hints", "integrity"] {
            morning.s3.remove(&format!("borg/{name}.{}", number - 4));
            morning.upload(time, &format!("borg/{name}.{number}"), "x");
        }
        morning.upload(time, &format!("borg/data/0/{number}"), "x");
    };
    commit("23 03:20", 5);
    assert_eq!(morning.at("23 12:00").await, "up since 23 03:20");
    morning.upload("24 03:20", "borg/nonce", "x");
    morning.upload("24 03:20", "borg/data/0/6", "broken off");
    assert_eq!(morning.at("24 12:00").await, "down missed since 24 05:00");
    commit("25 03:20", 9);
    assert_eq!(morning.at("25 12:00").await, "up since 25 03:20");
}

#[tokio::test]
async fn kopia() {
    let session = "s8a3e6f1c2d4b5a6f125";
    let noise = [
        "kopia/kopia.repository".to_owned(),
        "kopia/kopia.blobcfg".to_owned(),
        "kopia/kopia.maintenance".to_owned(),
        format!("kopia/p{}-{session}", &hash("files")[..32]),
        format!("kopia/xn0_{}-{session}-c1", &hash("index")[..32]),
        format!("kopia/_log_20261124032000_1a2b_1732386000_1732386001_1_{}", &hash("log")[..32]),
        format!("kopia/{session}"),
    ];
    nights("kopia", |day| format!("kopia/q{}-{session}", &hash(&day.to_string())[..32]), &noise).await;
}

#[tokio::test]
async fn wal_g() {
    let broken_off = "walg/basebackups_005/base_000000010000000000000009";
    let noise = [
        "walg/wal_005/00000001000000000000000A.br".to_owned(),
        format!("{broken_off}/tar_partitions/part_001.tar.br"),
        format!("{broken_off}/metadata.json"),
        format!("{broken_off}/files_metadata.json"),
    ];
    let backup =
        |day: u8| format!("walg/basebackups_005/base_0000000100000000000000{day}_backup_stop_sentinel.json");
    nights("wal-g", backup, &noise).await;
}

#[tokio::test]
async fn pgbackrest() {
    let noise = [
        "pgbackrest/backup/main/20261124-030003F/pg_data/PG_VERSION.gz".to_owned(),
        "pgbackrest/backup/main/20261124-030003F/backup.manifest.copy".to_owned(),
        "pgbackrest/archive/main/archive.info".to_owned(),
        "pgbackrest/archive/main/16-1/0000000100000000/000000010000000000000002-0a1b.gz".to_owned(),
    ];
    nights("pgbackrest", |_| "pgbackrest/backup/main/backup.info".to_owned(), &noise).await;
}

#[tokio::test]
async fn pgbackrest_once_a_week_in_full() {
    let morning = recipe_of("pgbackrest-full").await;
    let history = "pgbackrest/backup/main/backup.history/2026";
    // Sundays are the 15th, the 22nd and the 29th.
    morning.upload("15 04:00", &format!("{history}/20261115-030004F.manifest.gz"), "x");
    assert_eq!(morning.at("15 12:00").await, "up since 15 04:00");
    for day in 16..29 {
        let key = format!("{history}/20261115-030004F_202611{day}-030002I.manifest.gz");
        morning.upload(&format!("{day} 03:10"), &key, "x");
    }
    assert_eq!(morning.at("22 12:00").await, "down missed since 22 09:00");
    morning.upload("29 04:10", &format!("{history}/20261129-030001F.manifest.gz"), "x");
    assert_eq!(morning.at("29 12:00").await, "up since 29 04:10");
}

#[tokio::test]
async fn generations() {
    let lines = recipe("generations").replace("file:///srv/backups", "s3://tenko-test/etc");
    let morning = Morning::with(&lines).await;
    for day in 10..=24 {
        morning.upload(&format!("{day} 03:05"), &format!("etc/etc-{day}.tar.zst"), "x");
    }
    assert_eq!(morning.at("24 12:00").await, "up since 24 03:05");
    for day in 18..21 {
        morning.s3.remove(&format!("etc/etc-{day}.tar.zst"));
    }
    morning.upload("25 03:05", "etc/etc-25.tar.zst", "x");
    assert_eq!(morning.at("25 12:00").await, "down bad_evidence since 25 05:00");
    let said = morning.said("down");
    assert!(said.contains("13 objects match") && said.contains("only 6 of them"), "{said}");
}
