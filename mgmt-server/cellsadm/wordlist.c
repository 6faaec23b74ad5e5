/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/wordlist.h"

#include "lib/hash.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* The file as it stands: a word a line, lines of "#" in front. */
__asm__(".section .rodata\n"
	"words_begin:\n.incbin \"data/words\"\n"
	"words_end:\n.byte 0\n.previous\n");
extern const char words_begin[], words_end[];

static const char *first(void)
{
	const char *p = words_begin;

	while (p < words_end && *p == '#')
		p = strchr(p, '\n') + 1;
	return p;
}

unsigned int words_count(void)
{
	unsigned int n = 0;

	for (const char *p = first(); p < words_end; p++)
		n += *p == '\n';
	return n;
}

const char *words_at(unsigned int i, unsigned int *ret_len)
{
	const char *p = first();

	while (i-- > 0)
		p = strchr(p, '\n') + 1;
	*ret_len = (unsigned int)strcspn(p, "\n");
	return p;
}

/* Evenly from 0..n-1: a number from the uneven rest is drawn again. */
static unsigned int draw(unsigned int n)
{
	uint32_t limit, got;

	assert(n > 0);
	limit = UINT32_MAX - UINT32_MAX % n;
	do
		hash_random(&got, sizeof(got));
	while (got >= limit);
	return got % n;
}

void words_offer(char ret[WORDS_OFFER_SIZE])
{
	unsigned int n = words_count(), len;
	char *end = ret;

	for (unsigned int i = 0; i < WORDS_OFFER; i++) {
		const char *word = words_at(draw(n), &len);

		if (i > 0)
			*end++ = '-';
		memcpy(end, word, len);
		end += len;
	}
	*end = '\0';
}
