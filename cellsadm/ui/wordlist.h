/* SPDX-License-Identifier: Apache-2.0 */
/* Random words for passwords: data/words, compiled in. */
#ifndef CELLSADM_UI_WORDLIST_H
#define CELLSADM_UI_WORDLIST_H

#define WORDLIST_PASSPHRASE_WORDS 6
#define WORDLIST_PASSPHRASE_SIZE 64 /* words have at most 8 letters */

/* How many there are. */
unsigned int wordlist_count(void);
/* Borrowed, not terminated: *ret_len letters. */
const char *wordlist_get(unsigned int i, unsigned int *ret_len);

/* Six words drawn evenly, with "-" between them: 66 bits and more. */
void wordlist_make_passphrase(char ret[WORDLIST_PASSPHRASE_SIZE]);

#endif
