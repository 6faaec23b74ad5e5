/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text on a terminal. Text from outside must not move the cursor, hide text or
 * change its direction. UTF-8 is measured in terminal columns (wcwidth(3), so
 * the program sets LC_CTYPE).
 */
#ifndef LIB_DISPLAY_H
#define LIB_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Returns the code point at *p and advances *p; invalid UTF-8 is read byte by
 * byte.
 */
uint32_t display_next_char(const char **p);

/*
 * Control characters (C0, DEL, C1), and the format characters of Unicode that
 * are invisible or change the direction of text.
 */
bool display_is_unsafe(uint32_t c);

/*
 * Returns `s` with each unsafe character as \u{..} and each tab as spaces. The
 * caller frees it; NULL: no memory.
 */
char *display_escape(const char *s);

/* Writes `len` bytes of text, each line escaped. */
void display_write_text(FILE *f, const char *text, size_t len);

/* The number of terminal columns of `s`. */
unsigned int display_width(const char *s);

/*
 * Writes s and spaces up to `width` columns. Longer text is cut and ends with
 * "…".
 */
void display_write_padded(FILE *f, const char *s, unsigned int width);

#endif
