/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed between two texts, line by line, as the administrator reads it
 * before he signs: "-" went, "+" came, with some lines around.
 */
#ifndef CELLSADM_UI_DIFF_H
#define CELLSADM_UI_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DIFF_CONTEXT 2

/*
 * Writes it; an absent `before` (NULL) shows the whole of `after`. Control
 * characters are made visible. False: there is none. With `color` in ANSI
 * colours.
 */
bool diff_write(FILE *f, const char *before, size_t before_len,
		const char *after, size_t after_len, bool color);

#endif
