-- SPDX-License-Identifier: Apache-2.0
-- What cells-policyd keeps. Digests are 32 bytes; times are seconds since 1970
-- in secure time.

-- Single values: who the device is, its receipt key, snapshot in force and
-- staged, secure time, numbers that only rise. policyd/store/store.h names them.
CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value
) WITHOUT ROWID;

-- Every root since the pinned one, the newest in force.
CREATE TABLE root (
	version INTEGER PRIMARY KEY,
	digest BLOB NOT NULL,
	envelope BLOB NOT NULL
);

-- Accepted documents, each with the envelope that it came in.
CREATE TABLE document (
	digest BLOB NOT NULL PRIMARY KEY,
	type TEXT NOT NULL,
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	envelope BLOB NOT NULL
);

CREATE TABLE in_force (
	type TEXT NOT NULL,
	id TEXT NOT NULL,
	digest BLOB NOT NULL REFERENCES document (digest),
	PRIMARY KEY (type, id)
) WITHOUT ROWID;

-- What the staged snapshot names; accepted: it came, and passed all tests since
-- the last activation.
CREATE TABLE staged (
	digest BLOB NOT NULL PRIMARY KEY,
	accepted INTEGER NOT NULL
) WITHOUT ROWID;

-- The newest version of each document that was ever in force. It binds only
-- while its signatures reach the threshold under the root in force (counts).
CREATE TABLE floor (
	type TEXT NOT NULL,
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	digest BLOB NOT NULL REFERENCES document (digest),
	counts INTEGER NOT NULL DEFAULT 1,
	PRIMARY KEY (type, id)
) WITHOUT ROWID;

-- Orders: commands, memberships and what the device's own rules demand. A row
-- is written before the action, and stays until the command expires.
CREATE TABLE job (
	id TEXT PRIMARY KEY,
	number INTEGER NOT NULL UNIQUE,
	type TEXT NOT NULL,
	version INTEGER NOT NULL,
	digest BLOB NOT NULL,
	expires INTEGER NOT NULL,
	action TEXT NOT NULL,
	vp TEXT NOT NULL,
	cause TEXT NOT NULL,
	done INTEGER NOT NULL DEFAULT 0,
	receipt INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX job_open ON job (number) WHERE done = 0;

-- Payloads; they are signed when the agent asks for them.
CREATE TABLE receipt (
	seq INTEGER PRIMARY KEY,
	payload TEXT NOT NULL
);

CREATE TABLE audit (
	seq INTEGER PRIMARY KEY,
	record TEXT NOT NULL
);

-- Wrong passwords in a row; boot is the boot clock (ns) at the last.
CREATE TABLE counter (
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	wrong INTEGER NOT NULL,
	boot INTEGER NOT NULL,
	PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- VPs as cellsd last reported; gone: the config version that was wiped or removed.
CREATE TABLE vp (
	name TEXT PRIMARY KEY,
	state TEXT NOT NULL,
	gone INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- What was refused lately, so that a flood makes one receipt.
CREATE TABLE refusal (
	digest BLOB NOT NULL,
	reason TEXT NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (digest, reason)
) WITHOUT ROWID;
