-- SPDX-License-Identifier: Apache-2.0
-- Which receipts describe the device: those of a set in force. What the server
-- takes as a device's state is the newest of these, never one that says nothing
-- of it (a new root's, a membership's).
ALTER TABLE receipt ADD COLUMN describes INTEGER NOT NULL DEFAULT 0;
UPDATE receipt SET describes = 1 WHERE type = 'applied' AND
	json_type(payload, '$.details.documents') = 'array' AND
	json_type(payload, '$.details.not_enforced') = 'array';
CREATE INDEX receipt_describes ON receipt (device, epoch, seq) WHERE describes;

-- What a device signed that it can no longer send: entries first..last of one of
-- its streams, `digest` being that of the last. The statement is kept as it came.
CREATE TABLE gap (
	number INTEGER PRIMARY KEY,
	device TEXT NOT NULL,
	epoch TEXT NOT NULL,
	stream TEXT NOT NULL CHECK (stream IN ('receipts', 'audit')),
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	digest TEXT NOT NULL,
	cause TEXT NOT NULL,
	received INTEGER NOT NULL,
	envelope TEXT NOT NULL,
	UNIQUE (device, epoch, stream, last)
) STRICT;
