-- States that are newer than those in `states`. A transaction writes all that it decided into one row here, instead of a page
-- of `states` for nearly each job; what has gathered is put into `states` now and then, in the order in which that lies.
-- A row is compressed text: in each line the number of a job, a space, and its state. Of two lines the later one counts.
-- Whoever writes a state into `states` empties this table first.
create table fresh (
    number integer primary key autoincrement,
    states blob not null
) strict;
