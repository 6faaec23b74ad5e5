-- SPDX-License-Identifier: Apache-2.0
-- The VP's key that an unlock command carries, sealed to the receipt key; gone
-- when the order is done.
ALTER TABLE job ADD COLUMN sealed_key BLOB;
