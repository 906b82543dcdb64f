-- A store of version 1, as a Tenko of that time left it; `states` and `outbox` hold forms of tenko-core, which keeps
-- samples of its own.
pragma journal_mode = wal;
begin;
create table jobs (
    id   integer primary key,
    slug text not null unique
) strict;

-- What jobs say of themselves: the same text for run after run, kept once.
create table said (
    id          integer primary key,
    declaration text not null unique
) strict;

-- Times are milliseconds since 1970. `lag` is how much later than `at` it was received. `kind` is 0 start, 1 success,
-- 2 log, 3 fail; a fail of which the exit is known is 256 + code or 512 + signal.
create table evidence (
    seq    integer primary key autoincrement,
    job    integer not null references jobs,
    run_hi integer not null,
    run_lo integer not null,
    kind   integer not null,
    at     integer not null,
    lag    integer not null,
    said   integer references said
) strict;

-- Finds the evidence of a run: the time in a UUIDv7, so that it grows at its end, and 16 bits that tell others apart.
-- Half as large as an index of the whole run would be.
create index evidence_of_run
on evidence ((run_hi & -65536) | (((run_lo & 65535) + job) & 65535));

create index evidence_of_day on evidence (job, at / 86400000);

-- Reports that say something, as JSON, compressed where that pays.
create table reports (
    seq    integer primary key,
    report blob not null
) strict;

create table states (
    job         integer primary key references jobs,
    state       text,
    declaration text
) strict;

create table outbox (
    position integer primary key,
    notice   blob not null,
    item     text not null
) strict;

create table flips (
    seq  integer primary key,
    job  integer not null references jobs,
    at   integer not null,
    flip text not null
) strict;

create index flips_of_job on flips (job, at);

create table missed (
    seq    integer primary key,
    job    integer not null references jobs,
    at     integer not null,
    missed text not null
) strict;

create index missed_of_job on missed (job, at);

-- One row: the version of the roll, and what of it is not in other tables.
create table roll (
    version integer not null,
    rest    text    not null
) strict;

insert into jobs values (1, 'daily-report'), (2, 'backup');
insert into said values (1, '{"digest":"1f3a9c02","spec":{"grace":"30m"}}');
insert into evidence values
    (1, 1, 115618148221845623, -5000000000000000000, 0, 1795410000120, 3, 1),
    (2, 1, 115618148221845623, -5000000000000000000, 1, 1795410061354, 2, 1),
    (3, 2, 0, 1, 259, 1795410062000, 86400000, null),
    (4, 2, -1, -1, 521, 1795410063000, -5000, null);
insert into reports values (2, x'7b22686f7374223a227765622d31222c226475726174696f6e223a36313233347d');
insert into reports values (3, x'28b52ffd609e00f10c007b226d657373616765223a2278787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878227d');
insert into flips values (1, 1, 1795411800000, '{"old":"up","new":"down","reason":"missed","at":"2026-11-24T05:30:00Z"}');
insert into missed values (1, 1, 1795410000000, '{"first":"2026-11-24T05:00:00Z","last":"2026-11-24T05:00:00Z","count":1}');
insert into roll values (7, '{"v":1,"called_at":"2026-11-24T05:31:00Z","cursor":"4","states":{},"outbox":[]}');
pragma application_id = 1414417231;
pragma user_version = 1;
commit;
