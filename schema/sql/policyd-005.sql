-- SPDX-License-Identifier: Apache-2.0
-- An error in the file system of a VP's data was reported, and is not mended yet.
ALTER TABLE vp ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;

-- cellsd was given the order: it may be done, so it expires no more.
ALTER TABLE job ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
