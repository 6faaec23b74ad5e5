/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/wordlist.h"

#include "lib/crypto/hash.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* The file as it is: a word a line, lines of "#" in front. */
__asm__(".section .rodata\n"
	"wordlist_begin:\n.incbin \"data/words\"\n"
	"wordlist_end:\n.byte 0\n.previous\n");
extern const char wordlist_begin[], wordlist_end[];

static const char *find_first_word(void)
{
	const char *p = wordlist_begin;

	while (p < wordlist_end && *p == '#')
		p = strchr(p, '\n') + 1;
	return p;
}

unsigned int wordlist_count(void)
{
	unsigned int n = 0;

	for (const char *p = find_first_word(); p < wordlist_end; p++)
		n += *p == '\n';
	return n;
}

const char *wordlist_get(unsigned int i, unsigned int *ret_len)
{
	const char *p = find_first_word();

	while (i-- > 0)
		p = strchr(p, '\n') + 1;
	*ret_len = (unsigned int)strcspn(p, "\n");
	return p;
}

/* Evenly from 0..n-1: a number from the uneven rest is drawn again. */
static unsigned int get_random_index(unsigned int n)
{
	uint32_t limit, got;

	assert(n > 0);
	limit = UINT32_MAX - UINT32_MAX % n;
	do
		hash_random(&got, sizeof(got));
	while (got >= limit);
	return got % n;
}

void wordlist_make_passphrase(char ret[WORDLIST_PASSPHRASE_SIZE])
{
	unsigned int n = wordlist_count(), len;
	char *end = ret;

	for (unsigned int i = 0; i < WORDLIST_PASSPHRASE_WORDS; i++) {
		const char *word = wordlist_get(get_random_index(n), &len);

		if (i > 0)
			*end++ = '-';
		memcpy(end, word, len);
		end += len;
	}
	*end = '\0';
}
