-- A store of version 2, as a Tenko of that time left it: one that had been of version 1. Numbers are missing where old
-- evidence was removed; one piece arrived a day late, and another is from a clock that runs ahead.
pragma journal_mode = wal;
begin;
CREATE TABLE jobs (
    id   integer primary key,
    slug text not null unique
) strict;

CREATE TABLE said (
    id          integer primary key,
    declaration text not null unique
) strict;

CREATE TABLE evidence (
    seq    integer primary key autoincrement,
    job    integer not null references jobs,
    run_hi integer not null,
    run_lo integer not null,
    kind   integer not null,
    at     integer not null,
    lag    integer not null,
    said   integer references said
, via integer) strict;

CREATE INDEX evidence_of_run
on evidence ((run_hi & -65536) | (((run_lo & 65535) + job) & 65535));

CREATE INDEX evidence_of_day on evidence (job, at / 86400000);

CREATE TABLE reports (
    seq    integer primary key,
    report blob not null
) strict;

CREATE TABLE states (
    job         integer primary key references jobs,
    state       text,
    declaration text
, wake_at integer) strict;

CREATE TABLE flips (
    seq  integer primary key,
    job  integer not null references jobs,
    at   integer not null,
    flip text not null
) strict;

CREATE INDEX flips_of_job on flips (job, at);

CREATE TABLE missed (
    seq    integer primary key,
    job    integer not null references jobs,
    at     integer not null,
    missed text not null
) strict;

CREATE INDEX missed_of_job on missed (job, at);

CREATE TABLE roll (
    version integer not null,
    rest    text    not null
) strict;

CREATE INDEX states_to_wake on states (wake_at) where wake_at is not null;

CREATE TABLE via (
    id  integer primary key,
    via text not null unique
) strict;

CREATE TABLE unheard (
    seq integer primary key
) strict;

CREATE TABLE "outbox" (
    position integer primary key,
    notice   blob    not null,
    item     text    not null,
    job      integer not null references jobs,
    channel  text    not null,
    ready_at integer
) strict;

CREATE INDEX outbox_to_send on outbox (channel, ready_at);

CREATE INDEX outbox_of_job on outbox (job, channel);

CREATE TABLE nodes (
    id      blob    primary key,
    name    text    not null,
    seen_at integer not null,
    left    integer not null
) strict, without rowid;

CREATE TABLE addresses (
    address blob    primary key,
    job     integer not null unique references jobs
) strict, without rowid;

CREATE TABLE keys (
    purpose text    not null,
    name    text    not null,
    hash    blob    not null,
    made_at integer not null,
    primary key (purpose, name)
) strict, without rowid;

insert into jobs values
    (1, 'daily-report'),
    (2, 'backup');
insert into said values
    (1, '{"digest":"1f3a9c02","spec":{"grace":"30m"}}');
insert into evidence values
    (1, 1, 115618148221845623, -5000000000000000000, 0, 1795410000120, 3, 1, null),
    (2, 1, 115618148221845623, -5000000000000000000, 1, 1795410061354, 2, 1, null),
    (3, 2, 0, 1, 259, 1795410062000, 86400000, null, null),
    (4, 2, -1, -1, 521, 1795410063000, -5000, null, null),
    (2047, 1, 115618148300000000, -5000000000000000000, 1, 1795496400000, 3, null, 1),
    (2048, 2, 115618148300065536, -5000000000000000000, 1, 1795496401000, 3, null, null),
    (5000, 1, 115618148300131072, -5000000000000000000, 1, 1795410030000, 86400000, null, 1),
    (5001, 2, 115618148300196608, -5000000000000000000, 1, 1798761600000, -3000000, null, null);
insert into reports values
    (2, x'7b22686f7374223a227765622d31222c226475726174696f6e223a36313233347d'),
    (3, x'28b52ffd609e00f10c007b226d657373616765223a2278787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878227d');
insert into flips values
    (1, 1, 1795411800000, '{"old":"up","new":"down","reason":"missed","at":"2026-11-24T05:30:00Z"}');
insert into missed values
    (1, 1, 1795410000000, '{"first":"2026-11-24T05:00:00Z","last":"2026-11-24T05:00:00Z","count":1}');
insert into roll values
    (7, '{"v":1,"called_at":"2026-11-24T05:31:00Z","cursor":"4","states":{},"outbox":[]}');
insert into via values
    (1, '{"scheme":"https","method":"GET","from":"203.0.113.7","agent":"curl/8.14.1"}');
insert into unheard values
    (5001);
insert into nodes values
    (x'019ac217de5a0077ba9c6e7dbb0c0001', 'web-1', 1795496402000, 1);
insert into addresses values
    (x'019ac217de5a4077ba9c6e7dbb0c0002', 1);
pragma application_id = 1414417231;
pragma user_version = 2;
commit;
