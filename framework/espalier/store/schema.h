#pragma once

namespace espalier {

/// Raised when the tables change; kept in SQLite's user_version.
inline constexpr int kStoreFormat = 2;

/// The tables of a study. `token` is the fencing token: one more at each claim, never down. `held_until` counts seconds
/// since the boot named by `boot`, so that no change of the wall clock ends a lease. `attempt` is the audit trail. `part`
/// is '' for a trial itself, else names one of the trainings that it consists of.
inline constexpr const char* kStoreSchema = R"sql(
create table if not exists info (name text primary key, value text not null) strict;
create table trial (
  number integer not null,
  part text not null default '',
  settings text not null,
  reason text not null,
  document text not null,
  state text not null default 'queued'
    check (state in ('queued', 'running', 'paused', 'complete', 'pruned', 'failed', 'preempted')),
  token integer not null default 0,
  owner text not null default '',
  boot text not null default '',
  held_until real,
  cause text not null default '',
  message text not null default '',
  scores text not null default '{}',
  objective real,
  epochs real not null default 0,
  saved_epochs real not null default 0,
  seconds real not null default 0,
  checkpoint text not null default '',
  checkpoint_sha256 text not null default '',
  started text not null default '',
  ended text not null default '',
  primary key (number, part),
  check ((state = 'running') = (held_until is not null))
) strict;
create table attempt (
  trial integer not null,
  part text not null,
  token integer not null,
  owner text not null,
  started text not null,
  ended text not null default '',
  outcome text not null default '',
  primary key (trial, part, token),
  foreign key (trial, part) references trial (number, part)
) strict;
create table epoch (
  trial integer not null,
  part text not null,
  epoch integer not null,
  token integer not null,
  metrics text not null,
  primary key (trial, part, epoch),
  foreign key (trial, part) references trial (number, part)
) strict;
create index trial_waiting on trial (number) where state in ('queued', 'running') and part = '';
)sql";

/// Takes the tables of format 1, in which every trial was one training, to those above.
inline constexpr const char* kFromFormat1[] = {
    R"sql(
create temp table old_trial as select * from trial;
create temp table old_attempt as select * from attempt;
create temp table old_epoch as select * from epoch;
drop table epoch; drop table attempt; drop table trial;
)sql",
    kStoreSchema,
    R"sql(
insert into trial select number, '', settings, reason, document, state, token, owner, boot, held_until, cause, message, scores,
  objective, epochs, saved_epochs, seconds, checkpoint, checkpoint_sha256, started, ended from old_trial;
insert into attempt select trial, '', token, owner, started, ended, outcome from old_attempt;
insert into epoch select trial, '', epoch, token, metrics from old_epoch;
drop table old_trial; drop table old_attempt; drop table old_epoch;
)sql"};

}  // namespace espalier
