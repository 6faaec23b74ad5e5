/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text and back: hex, base64 (RFC 4648), digests, sizes, times. */
#ifndef LIB_ENCODING_H
#define LIB_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENCODING_DIGEST_SIZE (sizeof("sha256:") + 64) /* with the NUL */
#define ENCODING_TIME_SIZE sizeof("2026-11-20T08:00:00Z")

struct err;

/* Lower case; ret has 2 * len + 1 bytes. */
void encoding_to_hex(const void *data, size_t len, char *ret);

/* Exactly 2 * len lower-case digits. Returns 0 or -EINVAL. */
int encoding_from_hex(const char *hex, void *ret, size_t len);

/* NUL-terminated base64 with padding, which the caller frees; NULL: no memory.
 */
char *encoding_to_base64(const void *data, size_t len);

/*
 * Strict: requires padding, and refuses white space and non-zero trailing bits.
 * The caller frees *ret, which has a NUL after its *ret_len bytes. -EINVAL,
 * -ENOMEM.
 */
int encoding_from_base64(const char *b64, size_t b64_len, void **ret,
			 size_t *ret_len);

/* "sha256:<hex>" of a 32-byte digest; ret has ENCODING_DIGEST_SIZE bytes. */
void encoding_format_digest(const uint8_t digest[32], char *ret);
/* Returns 0 or -EINVAL. */
int encoding_parse_digest(const char *s, uint8_t ret[32]);

/* RFC 3339 UTC with Z, whole seconds; ret has ENCODING_TIME_SIZE bytes. */
void encoding_format_time(int64_t unix_seconds, char *ret);
/* Accepts exactly that form and an existing date. Returns 0 or -EINVAL. */
int encoding_parse_time(const char *s, int64_t *ret_unix_seconds);

/* "1.5 MiB"; ret has 24 bytes. */
void encoding_format_size(uint64_t bytes, char ret[24]);

/* An id of the contract: [a-z0-9][a-z0-9._-]{0,63}. */
bool encoding_is_valid_id(const char *s);

/* Decimal without sign, space or leading zeros, at most max. 0 or -EINVAL. */
int encoding_parse_number(const char *s, uint64_t max, uint64_t *ret);

/* "512M", "4G", "64K" or plain bytes, at most INT64_MAX. 0 or -EINVAL. */
int encoding_parse_size(const char *s, uint64_t *ret_bytes);
/* "12h", "90m", "30d", "45s" or plain seconds, at most INT64_MAX. 0 or -EINVAL.
 */
int encoding_parse_duration(const char *s, uint64_t *ret_seconds);

/* Removes surrounding spaces in place. */
char *encoding_trim_blanks(char *s);

#endif
