/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The difference between two texts, line by line, as the administrator reads it
 * before signing: "-" for removed lines, "+" for added lines, with some
 * context.
 */
#ifndef CELLSADM_UI_DIFF_H
#define CELLSADM_UI_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DIFF_CONTEXT 2

/*
 * Writes the difference. If `before` is NULL, writes all of `after`. Control
 * characters are made visible. Returns false if there is no difference. `color`
 * enables ANSI colours.
 */
bool diff_write(FILE *f, const char *before, size_t before_len,
		const char *after, size_t after_len, bool color);

#endif
