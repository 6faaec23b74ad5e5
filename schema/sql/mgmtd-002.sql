-- SPDX-License-Identifier: Apache-2.0
-- The roots of the audit tree's complete subtrees above its leaves, so that a
-- proof reads a row a level: (level, number) is that of the 2^level leaves from
-- number * 2^level on. They are worked out from the leaves when the tree is
-- opened without them.
CREATE TABLE node (
	level INTEGER NOT NULL CHECK (level > 0),
	number INTEGER NOT NULL,
	hash BLOB NOT NULL,
	PRIMARY KEY (level, number)
) STRICT, WITHOUT ROWID;
