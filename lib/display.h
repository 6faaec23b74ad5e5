/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text on a terminal. What came from elsewhere must not move the cursor, hide
 * text or change its direction; and UTF-8 is counted by the columns it takes
 * (wcwidth(3), so the program sets LC_CTYPE).
 */
#ifndef LIB_DISPLAY_H
#define LIB_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The code point at *p, which moves on; bad UTF-8 is read byte by byte. */
uint32_t display_next_char(const char **p);

/*
 * Control characters (C0, DEL, C1), and the format characters of Unicode that
 * are invisible or change the direction of text.
 */
bool display_is_unsafe(uint32_t c);

/*
 * `s` with each unsafe character as \u{..} and a tab as blanks. The caller
 * frees it; NULL: no memory.
 */
char *display_escape(const char *s);

/* Writes `len` bytes of text, each line escaped. */
void display_write_text(FILE *f, const char *text, size_t len);

/* Columns on the terminal that `s` takes. */
unsigned int display_width(const char *s);

/*
 * Writes s and blanks up to `width` columns. What does not fit is cut, with "…"
 * as its last character.
 */
void display_write_padded(FILE *f, const char *s, unsigned int width);

#endif
