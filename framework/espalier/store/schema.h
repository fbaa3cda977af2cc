#pragma once

namespace espalier {

/// Raised when the tables change; a store of another format is refused.
inline constexpr int kStoreFormat = 5;

/// The tables of a study, in words that SQLite and PostgreSQL both know. `token` is the fencing token: one more at each
/// claim, never down. `held_until` counts seconds on the clock named by `clock`, which no change of the wall clock touches.
/// `attempt` is the audit trail. `part` is '' for a trial itself, else names one of the trainings that it consists of.
/// `decision` is the log of what the scheduler decided, from 0 without gaps; `seen` says how many decisions had ended when it
/// was made, `ended` its own place among those.
inline constexpr const char* kStoreSchema = R"sql(
create table info (name text primary key, value text not null);
create table trial (
  number bigint not null,
  part text not null default '',
  part_order bigint not null default 0,
  settings text not null,
  reason text not null,
  document text not null,
  state text not null default 'queued'
    check (state in ('queued', 'running', 'paused', 'complete', 'pruned', 'failed', 'preempted')),
  decision bigint not null,
  until double precision not null default 0,
  token bigint not null default 0,
  owner text not null default '',
  clock text not null default '',
  held_until double precision,
  cause text not null default '',
  message text not null default '',
  scores text not null default '{}',
  objective double precision,
  epochs double precision not null default 0,
  saved_epochs double precision not null default 0,
  seconds double precision not null default 0,
  checkpoint text not null default '',
  checkpoint_sha256 text not null default '',
  started text not null default '',
  ended text not null default '',
  primary key (number, part),
  check ((state = 'running') = (held_until is not null))
);
create table decision (
  number bigint primary key,
  trial bigint not null,
  until double precision not null,
  reason text not null,
  begun double precision not null default 0,
  seen bigint not null,
  ended bigint unique,
  state text not null default 'queued',
  epochs double precision not null default 0,
  cost double precision not null default 0,
  objective double precision,
  scores text not null default '{}'
);
create table attempt (
  trial bigint not null,
  part text not null,
  token bigint not null,
  owner text not null,
  started text not null,
  ended text not null default '',
  outcome text not null default '',
  primary key (trial, part, token),
  foreign key (trial, part) references trial (number, part)
);
create table epoch (
  trial bigint not null,
  part text not null,
  epoch bigint not null,
  token bigint not null,
  metrics text not null,
  primary key (trial, part, epoch),
  foreign key (trial, part) references trial (number, part)
);
create index trial_waiting on trial (decision) where state in ('queued', 'running') and part = '';
)sql";

}  // namespace espalier
