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

insert into roll (version, rest) values (0, '{"v":1,"cursor":"","states":{},"outbox":[]}');
