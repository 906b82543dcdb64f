-- Evidence is numbered in the order in which it is added. A stretch is 2,048 numbers; what is added lies in the newest
-- one, so that of an index by stretch and job only its last pages are written. An index by job and time has a page for
-- each job.

drop index evidence_of_day;

create index evidence_of_job on evidence (seq >> 11, job);

-- When the earliest and the latest evidence of a stretch happened. It may arrive late, and clocks may be wrong, so that
-- these overlap.
create table stretches (
    number   integer primary key,
    first_at integer not null,
    last_at  integer not null
) strict;

insert into stretches (number, first_at, last_at)
select seq >> 11, min(at), max(at) from evidence group by seq >> 11;
