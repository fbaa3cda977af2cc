#pragma once

namespace espalier {

/// Raised when the tables change; kept in SQLite's user_version.
inline constexpr int kStoreFormat = 1;

/// The tables of a study. `token` is the fencing token: one more at each claim, never down. `held_until` counts seconds
/// since the boot named by `boot`, so that no change of the wall clock ends a lease. `attempt` is the audit trail.
inline constexpr const char* kStoreSchema = R"sql(
create table info (name text primary key, value text not null) strict;
create table trial (
  number integer primary key,
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
  check ((state = 'running') = (held_until is not null))
) strict;
create table attempt (
  trial integer not null references trial (number),
  token integer not null,
  owner text not null,
  started text not null,
  ended text not null default '',
  outcome text not null default '',
  primary key (trial, token)
) strict;
create table epoch (
  trial integer not null references trial (number),
  epoch integer not null,
  token integer not null,
  metrics text not null,
  primary key (trial, epoch)
) strict;
create index trial_waiting on trial (number) where state in ('queued', 'running');
)sql";

}  // namespace espalier
