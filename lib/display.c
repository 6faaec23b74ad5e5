/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/display.h"

#include "lib/auto.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

uint32_t display_next_char(const char **p)
{
	const unsigned char *s = (const unsigned char *)*p;
	unsigned int more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0;
	uint32_t c = more ? *s & (0x3f >> more) : *s;

	for (unsigned int i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*p += 1;
			return *s;
		}
		c = c << 6 | (s[i] & 0x3f);
	}
	*p += 1 + more;
	return c;
}

bool display_is_unsafe(uint32_t c)
{
	/* Controls; what has no width, or turns the direction; tags. */
	static const struct {
		uint32_t first, last;
	} unsafe[] = {
		{ 0x0000, 0x001f },   { 0x007f, 0x009f }, { 0x061c, 0x061c },
		{ 0x180e, 0x180e },   { 0x200b, 0x200f }, { 0x2028, 0x202e },
		{ 0x2060, 0x206f },   { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
		{ 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < ARRAY_SIZE(unsafe); i++)
		if (c >= unsafe[i].first && c <= unsafe[i].last)
			return true;
	return false;
}

char *display_escape(const char *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	while (*s) {
		const char *start = s;
		uint32_t c = display_next_char(&s);

		if (c == '\t')
			fputs("        ", f);
		else if (display_is_unsafe(c))
			fprintf(f, "\\u{%x}", c);
		else
			fwrite(start, 1, (size_t)(s - start), f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void display_write_text(FILE *f, const char *text, size_t len)
{
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		auto_free char *raw = strndup(text, n);
		auto_free char *safe = raw ? display_escape(raw) : NULL;

		fprintf(f, "%s\n", safe ? safe : "");
		n += end != NULL;
		text += n;
		len -= n;
	}
}

static unsigned int get_char_width(uint32_t c)
{
	int w = wcwidth((wchar_t)c);

	return w < 0 ? 1 : (unsigned int)w;
}

unsigned int display_width(const char *s)
{
	unsigned int n = 0;

	while (*s)
		n += get_char_width(display_next_char(&s));
	return n;
}

/* The most whole characters of s that fit; *ret_width is what they take. */
static size_t fit_text_width(const char *s, unsigned int width,
			     unsigned int *ret_width)
{
	const char *p = s, *end = s;
	unsigned int used = 0;

	while (*p) {
		unsigned int w = get_char_width(display_next_char(&p));

		if (used + w > width)
			break;
		used += w;
		end = p;
	}
	*ret_width = used;
	return (size_t)(end - s);
}

void display_write_padded(FILE *f, const char *s, unsigned int width)
{
	unsigned int used = display_width(s);

	if (used > width && width > 0) {
		size_t n = fit_text_width(s, width - 1, &used);

		fwrite(s, 1, n, f);
		fputs("…", f);
		used++;
	} else {
		fputs(s, f);
	}
	for (; used < width; used++)
		putc(' ', f);
}
