-- SPDX-License-Identifier: Apache-2.0
-- An order's id is kept until the device itself ran that many seconds, since
-- secure time can be moved ahead and set back.
ALTER TABLE job ADD COLUMN keep INTEGER NOT NULL DEFAULT 0;
