/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pagination.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define PAGE_ITEMS 500
#define PAGES_MAX 10000

void pagination_escape(FILE *f, const char *s)
{
	for (; *s; s++)
		if (isalnum((unsigned char)*s) || strchr("-._~:", *s))
			putc(*s, f);
		else
			fprintf(f, "%%%02X", (unsigned char)*s);
}

/* The page behind `cursor` (NULL: the first). */
static int build_page_path(const char *path, const char *cursor,
			   unsigned int max, char **ret, struct err *e)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_oom(e, path);
	fprintf(f, "%s%climit=%u", path, strchr(path, '?') ? '&' : '?',
		max && max < PAGE_ITEMS ? max : PAGE_ITEMS);
	if (cursor) {
		fputs("&cursor=", f);
		pagination_escape(f, cursor);
	}
	if (fclose(f) != 0) {
		free(text);
		return err_oom(e, path);
	}
	*ret = text;
	return 0;
}

/* Adds a page's items; *cursor becomes the next page's, NULL behind the last.
 */
static int append_page_items(const json_t *page, const char *path, json_t *all,
			     char **cursor, struct err *e)
{
	const char *next = json_string_value(json_object_get(page, "next"));
	json_t *items = json_object_get(page, "items");

	if (!json_is_array(items))
		return err_set(e, EBADMSG, "%s: no list of items", path);
	if (json_array_extend(all, items) < 0)
		return err_oom(e, path);
	free(*cursor);
	*cursor = next ? strdup(next) : NULL;
	return next && !*cursor ? err_oom(e, path) : 0;
}

int pagination_read(const char *path, unsigned int max, pagination_get_fn *get,
		    void *ctx, json_t **ret, struct err *e)
{
	auto_json json_t *all = json_array();
	auto_free char *cursor = NULL;
	unsigned int pages = 0;

	if (!all)
		return err_oom(e, path);
	do {
		auto_json json_t *page = NULL;
		auto_free char *one = NULL;
		int r = build_page_path(path, cursor, max, &one, e);

		if (r == 0 && pages++ == PAGES_MAX)
			r = err_set(e, EBADMSG, "%s: there is no end to it",
				    path);
		if (r == 0)
			r = get(ctx, one, &page, e);
		if (r == 0)
			r = append_page_items(page, path, all, &cursor, e);
		if (r < 0)
			return r;
	} while (cursor && (max == 0 || json_array_size(all) < max));
	while (max && json_array_size(all) > max)
		json_array_remove(all, json_array_size(all) - 1);
	*ret = steal(all);
	return 0;
}
