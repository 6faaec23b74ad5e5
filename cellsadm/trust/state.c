/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/state.h"

#include "cellsadm/adm.h"
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define KEPT_MAX (16 * 1024 * 1024)

static char *build_state_path(const struct adm *a, const char *name)
{
	char *path;

	return asprintf(&path, "%s/state/%s", a->folder, name) < 0 ? NULL
								   : path;
}

static int read_state_file(const char *path, json_t **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_file(path, KEPT_MAX, &text, &len, e);

	return r < 0 ? r : json_parse(text, len, path, ret, e);
}

int state_load(const struct adm *a, const char *name, json_t **ret,
	       struct err *e)
{
	auto_free char *path = build_state_path(a, name);

	return path ? read_state_file(path, ret, e) : err_oom(e, name);
}

static int write_state_file(const struct adm *a, const char *name,
			    const void *text, size_t len, struct err *e)
{
	auto_free char *path = NULL, *relative = NULL;
	int r;

	if (asprintf(&relative, "state/%s", name) < 0)
		return err_oom(e, name);
	r = adm_prepare_path(a, relative, &path, e);
	return r < 0 ? r : io_replace_file(path, text, len, 0600, e);
}

int state_save(const struct adm *a, const char *name, const json_t *j,
	       struct err *e)
{
	auto_free char *text = json_text_indented(j, 1);

	if (!text)
		return err_oom(e, name);
	return write_state_file(a, name, text, strlen(text), e);
}

int state_for_each(const struct adm *a, const char *folder, state_fn *fn,
		   void *ctx, struct err *e)
{
	auto_free char *path = build_state_path(a, folder);
	auto_closedir DIR *d = path ? opendir(path) : NULL;
	struct dirent *entry;
	int r = 0;

	while (r == 0 && d && (entry = readdir(d))) {
		auto_free char *name = NULL;
		auto_json json_t *j = NULL;
		size_t n = strlen(entry->d_name);

		if (n < 6 || strcmp(entry->d_name + n - 5, ".json") != 0)
			continue;
		if (asprintf(&name, "%s/%s", folder, entry->d_name) < 0)
			return err_oom(e, folder);
		r = state_load(a, name, &j, e);
		if (r == 0)
			r = fn(ctx, name, j, e);
	}
	return r;
}

static int format_signed_name(const struct doc_head *h, const char *file,
			      char **ret, struct err *e)
{
	if (asprintf(ret, "signed/%s/%s/%s/%s", h->org, doc_type_name(h->type),
		     h->id, file) < 0)
		return err_oom(e, h->id);
	return 0;
}

int state_save_signed(const struct adm *a, const struct doc_head *h,
		      const void *payload, size_t len, struct err *e)
{
	auto_free char *name = NULL, *last = NULL;
	char file[24];
	int r, n;

	n = snprintf(file, sizeof(file), "%u.xml", h->version);
	r = format_signed_name(h, file, &name, e);
	if (r >= 0)
		r = format_signed_name(h, "last", &last, e);
	if (r >= 0)
		r = write_state_file(a, name, payload, len, e);
	if (r >= 0)
		r = write_state_file(a, last, file, (size_t)n - 4, e);
	return r;
}

static int read_signed_file(const struct adm *a, const struct doc_head *h,
			    const char *file, char **ret, size_t *ret_len,
			    struct err *e)
{
	auto_free char *name = NULL, *path = NULL;
	int r = format_signed_name(h, file, &name, e);

	if (r < 0)
		return r;
	path = build_state_path(a, name);
	if (!path)
		return err_oom(e, name);
	return io_read_file(path, KEPT_MAX, ret, ret_len, e);
}

static int read_last_version(const struct adm *a, const struct doc_head *h,
			     uint64_t *ret, struct err *e)
{
	auto_free char *last = NULL;
	size_t len;
	int r = read_signed_file(a, h, "last", &last, &len, e);

	if (r < 0)
		return r;
	if (encoding_parse_number(last, INT32_MAX, ret) < 0)
		return err_set(e, EINVAL, "state of %s: not a version", h->id);
	return 0;
}

int state_load_signed(const struct adm *a, const struct doc_head *h,
		      uint32_t version, char **ret, size_t *ret_len,
		      struct err *e)
{
	char file[24];
	uint64_t n = version;
	int r = version ? 0 : read_last_version(a, h, &n, e);

	if (r < 0)
		return r;
	snprintf(file, sizeof(file), "%u.xml", (uint32_t)n);
	return read_signed_file(a, h, file, ret, ret_len, e);
}

static int compare_versions(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

unsigned int state_list_signed_versions(const struct adm *a,
					const struct doc_head *h, uint32_t *ret,
					unsigned int max)
{
	auto_free char *name = NULL, *path = NULL;
	auto_closedir DIR *d = NULL;
	struct dirent *entry;
	unsigned int n = 0;
	struct err e;

	if (format_signed_name(h, "", &name, &e) < 0)
		return 0;
	path = build_state_path(a, name);
	d = path ? opendir(path) : NULL;
	while (n < max && d && (entry = readdir(d))) {
		char *dot = strrchr(entry->d_name, '.');
		uint64_t version;

		if (!dot || strcmp(dot, ".xml") != 0)
			continue;
		*dot = '\0';
		if (encoding_parse_number(entry->d_name, INT32_MAX, &version) ==
		    0)
			ret[n++] = (uint32_t)version;
	}
	qsort(ret, n, sizeof(*ret), compare_versions);
	return n;
}
