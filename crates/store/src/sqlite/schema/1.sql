create table jobs (
    id   integer primary key,
    slug text not null unique
) strict;

-- Times are milliseconds since 1970. `body` is there only if there is more to say than the columns do.
create table evidence (
    seq         integer primary key autoincrement,
    job         integer not null,
    run         blob    not null,
    kind        integer not null,
    exit        integer,
    at          integer not null,
    received_at integer not null,
    body        blob
) strict;

create unique index evidence_once on evidence (job, run, kind);

create table states (
    job   text primary key,
    state text not null
) strict, without rowid;

create table declarations (
    job         text primary key,
    declaration text not null
) strict, without rowid;

create table outbox (
    notice   blob primary key,
    position integer not null,
    item     text    not null
) strict, without rowid;

create table flips (
    seq  integer primary key,
    job  text    not null,
    at   integer not null,
    flip text    not null
) strict;

create index flips_of_job on flips (job, seq);

create table missed (
    seq    integer primary key,
    job    text    not null,
    last   integer not null,
    missed text    not null
) strict;

create index missed_of_job on missed (job, seq);

-- One row: the version of the roll, and all of it that is not in other tables.
create table roll (
    version integer not null,
    rest    text    not null
) strict;

insert into roll (version, rest) values (0, '{"v":1}');
