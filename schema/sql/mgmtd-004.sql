-- SPDX-License-Identifier: Apache-2.0
-- A password is kept as an Argon2id hash in its encoded form (RFC 9106). One
-- cannot be made of what was kept before: such an account has none, and is not
-- logged in until an administrator gives it a new password.
ALTER TABLE user DROP COLUMN salt;
ALTER TABLE user DROP COLUMN iterations;
ALTER TABLE user DROP COLUMN verifier;
ALTER TABLE user ADD COLUMN hash TEXT NOT NULL DEFAULT '';
