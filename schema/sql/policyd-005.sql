-- SPDX-License-Identifier: Apache-2.0
-- An error in the file system of a VP's data was told, and is not mended yet.
ALTER TABLE vp ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
