-- SPDX-License-Identifier: Apache-2.0
-- Orders count against a quota of the role that signed them, so that those of
-- one role never use up what another may send. Refused ones (void) are kept
-- apart: a small record of each role, of which the oldest go.
ALTER TABLE job ADD COLUMN role TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN void INTEGER NOT NULL DEFAULT 0;
UPDATE job SET role = CASE
	WHEN type = 'membership' THEN 'policy'
	WHEN action IN ('wipe', 'remove', 'rotate-keys') THEN 'destroy'
	ELSE 'command' END WHERE type != '';
CREATE INDEX job_role ON job (role, void, number);

-- How often the same was refused again since it was reported, and whether its
-- signatures had held.
ALTER TABLE refusal ADD COLUMN times INTEGER NOT NULL DEFAULT 0;
ALTER TABLE refusal ADD COLUMN signed INTEGER NOT NULL DEFAULT 1;

-- Room within the file for orders and their receipts on a disk that is full:
-- what is put here leaves free pages when it is deleted.
CREATE TABLE reserve (filler BLOB NOT NULL);

-- What the device said it can no longer send: first..last of a stream, and the
-- receipt that says so.
CREATE TABLE gap (
	stream TEXT NOT NULL,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	receipt INTEGER NOT NULL,
	PRIMARY KEY (stream, last)
) WITHOUT ROWID;
