/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/encoding.h"

#include "lib/auto.h"

#include <errno.h>
#include <inttypes.h>
#include <mbedtls/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGEST_PREFIX "sha256:"

void encoding_to_hex(const void *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[p[i] >> 4];
		ret[2 * i + 1] = digits[p[i] & 15];
	}
	ret[2 * len] = '\0';
}

static int decode_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int encoding_from_hex(const char *hex, void *ret, size_t len)
{
	uint8_t *p = ret;

	if (strlen(hex) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int high = decode_hex_digit(hex[2 * i]),
		    low = decode_hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		p[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

char *encoding_to_base64(const void *data, size_t len)
{
	size_t room = (len + 2) / 3 * 4 + 1, n;
	auto_free char *out = malloc(room);

	if (!out || mbedtls_base64_encode((unsigned char *)out, room, &n, data,
					  len) != 0)
		return NULL;
	out[n] = '\0';
	return steal(out);
}

/* The value of a character; -1: nothing. */
static int decode_base64_char(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/*
 * Not by mbedtls, which skips line ends and stray bits, so that bytes had many
 * spellings, and takes ten times as long, for it decodes in constant time.
 */
int encoding_from_base64(const char *b64, size_t b64_len, void **ret,
			 size_t *ret_len)
{
	auto_free uint8_t *out = malloc(b64_len / 4 * 3 + 1);
	size_t pad = 0, n = 0;
	uint32_t bits = 0;

	if (!out)
		return -ENOMEM;
	if (b64_len % 4 != 0)
		return -EINVAL;
	while (pad < 2 && pad < b64_len && b64[b64_len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < b64_len - pad; i++) {
		int six = decode_base64_char(b64[i]);

		if (six < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)six;
		if (i % 4 == 0)
			continue;
		/* Of 12, 18 and 24 bits the first, second and third byte. */
		out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* Two or four bits are left over, and must be zero. */
	if (bits & ((1U << (2 * pad)) - 1))
		return -EINVAL;
	out[n] = '\0';
	*ret = steal(out);
	*ret_len = n;
	return 0;
}

void encoding_format_digest(const uint8_t digest[32], char *ret)
{
	memcpy(ret, DIGEST_PREFIX, sizeof(DIGEST_PREFIX));
	encoding_to_hex(digest, 32, ret + strlen(DIGEST_PREFIX));
}

int encoding_parse_digest(const char *s, uint8_t ret[32])
{
	if (strncmp(s, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0)
		return -EINVAL;
	return encoding_from_hex(s + strlen(DIGEST_PREFIX), ret, 32);
}

void encoding_format_time(int64_t unix_seconds, char *ret)
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	if (unix_seconds < 0 || unix_seconds > INT64_C(253402300799) ||
	    !gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	strftime(ret, ENCODING_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int encoding_parse_time(const char *s, int64_t *ret_unix_seconds)
{
	char again[ENCODING_TIME_SIZE];
	struct tm tm = { 0 };
	const char *end;
	int64_t t;

	if (strlen(s) != ENCODING_TIME_SIZE - 1)
		return -EINVAL;
	end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end)
		return -EINVAL;
	t = timegm(&tm);
	if (t < 0)
		return -EINVAL;
	/* timegm() bends February 30th into March; written back it differs. */
	encoding_format_time(t, again);
	if (strcmp(s, again) != 0)
		return -EINVAL;
	*ret_unix_seconds = t;
	return 0;
}

void encoding_format_size(uint64_t bytes, char ret[24])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	unsigned int unit = 0;

	if (bytes < 1024) {
		snprintf(ret, 24, "%" PRIu64 " B", bytes);
		return;
	}
	for (n /= 1024; n >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		n /= 1024;
	snprintf(ret, 24, "%.1f %s", n, units[unit]);
}

bool encoding_is_valid_id(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(s);

	return n >= 1 && n <= 64 && strspn(s, allowed) == n &&
	       strchr("._-", s[0]) == NULL;
}

int encoding_parse_number(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	size_t n = strlen(s);

	if (n == 0 || n > 20 || strspn(s, "0123456789") != n ||
	    (n > 1 && s[0] == '0'))
		return -EINVAL;
	for (; *s; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return -EINVAL;
		value = value * 10 + digit;
	}
	if (value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

char *encoding_trim_blanks(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

/* A number and one letter of `units`, each letter with its factor. */
static int parse_number_with_unit(const char *s, const char *units,
				  const uint64_t *factor, uint64_t *ret)
{
	char digits[24];
	size_t n = strspn(s, "0123456789");
	const char *unit = s[n] ? strchr(units, s[n]) : NULL;
	uint64_t value;

	if (n == 0 || n >= sizeof(digits) || (s[n] && (!unit || s[n + 1])))
		return -EINVAL;
	memcpy(digits, s, n);
	digits[n] = '\0';
	if (encoding_parse_number(digits, INT64_MAX, &value) < 0)
		return -EINVAL;
	if (unit && value > INT64_MAX / factor[unit - units])
		return -EINVAL;
	*ret = unit ? value * factor[unit - units] : value;
	return 0;
}

int encoding_parse_size(const char *s, uint64_t *ret_bytes)
{
	static const uint64_t factor[] = { 1ULL << 10, 1ULL << 20, 1ULL << 30,
					   1ULL << 40 };

	return parse_number_with_unit(s, "KMGT", factor, ret_bytes);
}

int encoding_parse_duration(const char *s, uint64_t *ret_seconds)
{
	static const uint64_t factor[] = { 1, 60, 3600, 86400 };

	return parse_number_with_unit(s, "smhd", factor, ret_seconds);
}
