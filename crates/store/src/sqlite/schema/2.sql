-- What servers need, who keep the store job by job.

-- When a job has to be looked at, in milliseconds since 1970.
alter table states add column wake_at integer;
update states set wake_at = round(1000 * unixepoch(state ->> '$.look_again_at', 'subsec'))
where json_valid(state);

create index states_to_wake on states (wake_at) where wake_at is not null;

-- How pings reached a server: the same text for very many, kept once.
create table via (
    id  integer primary key,
    via text not null unique
) strict;

-- Which of them. No foreign key: it would be looked up at each ping, and nothing is ever removed there.
alter table evidence add column via integer;

-- Evidence that nobody has heard, neither a server nor a roll call.
create table unheard (
    seq integer primary key
) strict;

insert into unheard
select seq from evidence
where seq > (select iif(version = 0, 0, cast(rest ->> '$.cursor' as integer)) from roll);

-- `ready_at` is when a notice can be claimed; null if it could not be delivered.
create table outbox_2 (
    position integer primary key,
    notice   blob    not null,
    item     text    not null,
    job      integer not null references jobs,
    channel  text    not null,
    ready_at integer
) strict;

-- Nobody can read it.
delete from outbox where not json_valid(item);

insert into jobs (slug)
select distinct item ->> '$.notice.job' from outbox where true
on conflict do nothing;

insert into outbox_2
select o.position, o.notice, o.item, j.id, o.item ->> '$.notice.channel',
    iif(o.item -> '$.status.dead' is not null, null, coalesce(
        round(1000 * unixepoch(coalesce(o.item ->> '$.status.ready.not_before', o.item ->> '$.status.claimed.until'), 'subsec')),
        0))
from outbox o join jobs j on j.slug = o.item ->> '$.notice.job';

drop table outbox;
alter table outbox_2 rename to outbox;

create index outbox_to_send on outbox (channel, ready_at);

create index outbox_of_job on outbox (job, channel);

-- Servers, and when they were last seen. The newest stays, so that it is known since when nobody was there.
create table nodes (
    id      blob    primary key,
    name    text    not null,
    seen_at integer not null,
    left    integer not null
) strict, without rowid;

-- The UUIDs under which jobs are pinged.
create table addresses (
    address blob    primary key,
    job     integer not null unique references jobs
) strict, without rowid;

create table keys (
    purpose text    not null,
    name    text    not null,
    hash    blob    not null,
    made_at integer not null,
    primary key (purpose, name)
) strict, without rowid;
