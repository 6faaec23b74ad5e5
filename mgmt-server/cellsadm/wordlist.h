/* SPDX-License-Identifier: Apache-2.0 */
/* Random words for passwords: data/words, compiled in. */
#ifndef CELLSADM_WORDLIST_H
#define CELLSADM_WORDLIST_H

#define WORDS_OFFER 6
#define WORDS_OFFER_SIZE 64 /* words have at most 8 letters */

/* How many there are. */
unsigned int words_count(void);
/* Borrowed, not terminated: *ret_len letters. */
const char *words_at(unsigned int i, unsigned int *ret_len);

/* Six words drawn evenly, with "-" between them: 66 bits and more. */
void words_offer(char ret[WORDS_OFFER_SIZE]);

#endif
