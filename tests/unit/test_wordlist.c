/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/wordlist.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* 2048 words give 11 bits each, six of them 66. */
START_TEST(there_are_enough_words_and_none_stands_twice)
{
	unsigned int n = wordlist_count();
	auto_free char **all = calloc(n, sizeof(*all));

	ck_assert_uint_ge(n, 2048);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int len;
		const char *word = wordlist_get(i, &len);

		ck_assert_uint_ge(len, 3);
		ck_assert_uint_le(len, 8);
		ck_assert_uint_eq(strspn(word, "abcdefghijklmnopqrstuvwxyz"),
				  len);
		all[i] = strndup(word, len);
	}
	qsort(all, n, sizeof(*all), compare);
	for (unsigned int i = 1; i < n; i++)
		ck_assert_str_ne(all[i - 1], all[i]);
	for (unsigned int i = 0; i < n; i++)
		free(all[i]);
}
END_TEST

START_TEST(an_offer_is_six_words_and_never_the_same)
{
	char one[WORDLIST_PASSPHRASE_SIZE], two[WORDLIST_PASSPHRASE_SIZE];
	unsigned int dashes = 0;

	wordlist_make_passphrase(one);
	wordlist_make_passphrase(two);
	ck_assert_str_ne(one, two);
	ck_assert_uint_lt(strlen(one), sizeof(one));
	for (const char *p = one; *p; p++)
		dashes += *p == '-';
	ck_assert_uint_eq(dashes, WORDLIST_PASSPHRASE_WORDS - 1);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, there_are_enough_words_and_none_stands_twice);
	tcase_add_test(tc, an_offer_is_six_words_and_never_the_same);
}

UNIT_MAIN("wordlist", add)
