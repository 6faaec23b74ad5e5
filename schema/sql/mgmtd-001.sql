-- SPDX-License-Identifier: Apache-2.0
-- cells-mgmtd, version 1. Times are seconds since 1970; digests are sha256:<hex>; states are words.

CREATE TABLE meta (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- ---- documents: every submitted one, with the signatures so far
CREATE TABLE document (
	number INTEGER PRIMARY KEY,
	sha256 TEXT NOT NULL UNIQUE,
	type TEXT NOT NULL,
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	issued INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	state TEXT NOT NULL CHECK (state IN
		('proposed', 'valid', 'active', 'superseded', 'withdrawn')),
	signers TEXT NOT NULL,          -- [{"keyid","name"}]
	threshold INTEGER NOT NULL,
	payload BLOB NOT NULL,
	envelope TEXT NOT NULL,
	submitted INTEGER NOT NULL,
	submitter TEXT NOT NULL,
	complete INTEGER NOT NULL DEFAULT 1, -- of an image: its chunks are here
	rev INTEGER NOT NULL DEFAULT 1
) STRICT;
-- One valid document a version: two would be equivocation.
CREATE UNIQUE INDEX document_version ON document (type, id, version)
	WHERE state IN ('valid', 'active', 'superseded');
CREATE INDEX document_name ON document (type, id, version);

-- ---- enrolment
CREATE TABLE enrolment (
	number INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	admit TEXT NOT NULL UNIQUE,     -- SHA-256 of the token's admit, hex
	grp TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	uses INTEGER NOT NULL,
	used INTEGER NOT NULL DEFAULT 0,
	revoked INTEGER NOT NULL DEFAULT 0,
	creator TEXT NOT NULL,
	note TEXT NOT NULL
) STRICT;

-- ---- devices; a retired one's record is kept
CREATE TABLE device (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	labels TEXT NOT NULL DEFAULT '{}',
	grp TEXT NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('active', 'retired')),
	epoch TEXT NOT NULL,
	enrolled INTEGER NOT NULL,
	seen INTEGER,
	compliant INTEGER,
	enforcement TEXT,
	foreground TEXT,
	reported TEXT NOT NULL DEFAULT '{}',
	snapshot INTEGER NOT NULL DEFAULT 0, -- version counter, never goes back
	rev INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX device_group ON device (grp);

CREATE TABLE epoch (
	device TEXT NOT NULL REFERENCES device (id),
	epoch TEXT NOT NULL,
	enrolment TEXT NOT NULL,
	identity_spki BLOB NOT NULL,
	receipt_spki BLOB NOT NULL,
	identity_cert TEXT NOT NULL,
	receipt_cert TEXT NOT NULL,
	bind TEXT NOT NULL,
	enrolled INTEGER NOT NULL,
	checked INTEGER,                -- 1 bound, 0 found wrong, null: not yet
	receipt_seq INTEGER NOT NULL DEFAULT 0,
	audit_seq INTEGER NOT NULL DEFAULT 0,
	audit_head BLOB,
	PRIMARY KEY (device, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX epoch_enrolment ON epoch (enrolment);

CREATE TABLE snapshot (
	device TEXT PRIMARY KEY REFERENCES device (id),
	epoch TEXT NOT NULL,
	version INTEGER NOT NULL,
	issued INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	documents TEXT NOT NULL,        -- [{"type","id","version","sha256"}]
	envelope TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
	number INTEGER PRIMARY KEY,
	device TEXT NOT NULL REFERENCES device (id),
	time INTEGER NOT NULL,
	text TEXT NOT NULL
) STRICT;
CREATE INDEX alarm_device ON alarm (device);

-- ---- evidence: what devices signed
CREATE TABLE receipt (
	number INTEGER PRIMARY KEY,
	device TEXT NOT NULL,
	epoch TEXT NOT NULL,
	seq INTEGER NOT NULL,
	sha256 TEXT NOT NULL,
	type TEXT NOT NULL,
	time INTEGER NOT NULL,
	vp TEXT,
	reason TEXT,
	enforcement TEXT,
	document TEXT,                  -- digest
	command TEXT,
	received INTEGER NOT NULL,
	payload TEXT NOT NULL,
	envelope TEXT NOT NULL,
	UNIQUE (device, epoch, seq)
) STRICT;
CREATE INDEX receipt_type ON receipt (device, type, time);

CREATE TABLE batch (
	number INTEGER PRIMARY KEY,
	device TEXT NOT NULL,
	epoch TEXT NOT NULL,
	first INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	received INTEGER NOT NULL,
	head TEXT NOT NULL,             -- envelope
	leaf INTEGER NOT NULL           -- in the tree
) STRICT;
CREATE INDEX batch_device ON batch (device, epoch, seq);

CREATE TABLE record (
	number INTEGER PRIMARY KEY,
	device TEXT NOT NULL,
	epoch TEXT NOT NULL,
	seq INTEGER NOT NULL,
	time INTEGER NOT NULL,
	event TEXT NOT NULL,
	vp TEXT,
	class TEXT,
	text TEXT NOT NULL,             -- what is hashed
	UNIQUE (device, epoch, seq)
) STRICT;
CREATE INDEX record_class ON record (event, class, time);

-- ---- actions: commands and memberships on their way to a device
CREATE TABLE action (
	number INTEGER PRIMARY KEY,
	device TEXT NOT NULL REFERENCES device (id),
	epoch TEXT NOT NULL,
	id TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	type TEXT NOT NULL,
	action TEXT NOT NULL,
	vp TEXT,
	grp TEXT,
	state TEXT NOT NULL CHECK (state IN ('proposed', 'pending', 'sent',
		'received', 'done', 'refused', 'expired', 'cancelled')),
	cancel INTEGER NOT NULL DEFAULT 0, -- asked for
	reason TEXT,
	text TEXT,
	signers TEXT NOT NULL,
	threshold INTEGER NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	document_expires INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	creator TEXT NOT NULL,
	envelope TEXT NOT NULL,
	receipt INTEGER REFERENCES receipt (number),
	UNIQUE (device, id)
) STRICT;
CREATE INDEX action_sha256 ON action (sha256);
CREATE INDEX action_open ON action (expires)
	WHERE state IN ('proposed', 'pending', 'sent', 'received');

-- ---- people and programs
CREATE TABLE user (
	name TEXT PRIMARY KEY,
	role TEXT NOT NULL,
	groups TEXT NOT NULL,           -- [id]; []: all
	salt BLOB NOT NULL,
	iterations INTEGER NOT NULL,
	verifier BLOB NOT NULL,
	created INTEGER NOT NULL,
	rev INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
	number INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	hash BLOB NOT NULL UNIQUE,      -- SHA-256 of the secret
	name TEXT NOT NULL,
	user TEXT REFERENCES user (name) ON DELETE CASCADE,
	role TEXT NOT NULL,
	groups TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;

-- The answers of the last 24 hours to requests with an Idempotency-Key.
CREATE TABLE once (
	token TEXT NOT NULL,
	key TEXT NOT NULL,
	body BLOB NOT NULL,             -- SHA-256 of method, path and body
	status INTEGER NOT NULL,
	answer TEXT NOT NULL,
	time INTEGER NOT NULL,
	PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;

-- ---- the audit tree: leaves, and the roots of its complete subtrees
CREATE TABLE leaf (
	number INTEGER PRIMARY KEY,     -- index in the tree, from 0
	time INTEGER NOT NULL,
	who TEXT NOT NULL,
	source TEXT NOT NULL,
	action TEXT NOT NULL,
	object TEXT,
	device TEXT,
	grp TEXT,
	outcome TEXT NOT NULL,
	text TEXT NOT NULL,             -- the leaf's exact bytes
	hash BLOB NOT NULL
) STRICT;
CREATE INDEX leaf_time ON leaf (time);

CREATE TABLE tree (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	size INTEGER NOT NULL,
	peaks BLOB NOT NULL
) STRICT;
