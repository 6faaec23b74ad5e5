/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/table.h"
#include "lib/tty_line.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int adm_open(struct adm *a, struct err *e)
{
	if (!a->folder_option)
		return admin_config_folder(&a->folder, e);
	a->folder = strdup(a->folder_option);
	return a->folder ? 0 : err_oom(e, a->folder_option);
}

void adm_close(struct adm *a)
{
	doc_free(a->kept_root);
	doc_free(a->root);
	admin_config_fini(&a->server);
	free(a->folder);
	*a = (struct adm){ 0 };
}

int adm_prepare_path(const struct adm *a, const char *name, char **ret,
		     struct err *e)
{
	auto_free char *path = io_join(a->folder, name);
	char *slash;
	int r;

	if (!path)
		return err_oom(e, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	r = io_mkdirs(path, 0700, e);
	*slash = '/';
	if (r < 0)
		return r;
	*ret = steal(path);
	return 0;
}

int adm_get_server(struct adm *a, const struct admin_config **ret,
		   struct err *e)
{
	int r;

	if (!a->server.name) {
		r = admin_config_read(a->folder, a->server_option, &a->server,
				      e);
		if (r < 0)
			return r;
	}
	*ret = &a->server;
	return 0;
}

const struct admin_config *adm_get_server_or_null(struct adm *a)
{
	const struct admin_config *s;
	struct err e;

	return adm_get_server(a, &s, &e) < 0 ? NULL : s;
}

int adm_confirm(const struct adm *a, const char *question, struct err *e)
{
	auto_free char *prompt = NULL;
	char answer[TTY_LINE_SIZE];
	size_t len;
	int r;

	if (a->yes)
		return 0;
	if (asprintf(&prompt, "%s? [y/N] ", question) < 0)
		return err_oom(e, question);
	r = tty_line_ask(prompt, true, answer, &len, e);
	if (r == -ENXIO)
		return err_set(e, ECANCELED,
			       "%s: no terminal to ask on (use --yes)",
			       question);
	if (r == 0 && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return err_set(e, ECANCELED, "%s: not confirmed", question);
}

int adm_parse_duration(const char *s, uint64_t *ret_seconds, struct err *e)
{
	if (encoding_parse_duration(s, ret_seconds) < 0)
		return err_usage(
			e, "'%s': not a duration (like 45s, 90m, 12h, 30d)", s);
	return 0;
}

int adm_parse_size(const char *s, uint64_t *ret_bytes, struct err *e)
{
	if (encoding_parse_size(s, ret_bytes) < 0)
		return err_set(e, EINVAL,
			       "'%s': not a size (like 65536, 512M, 4G)", s);
	return 0;
}

int adm_parse_time(const char *s, int64_t *ret, struct err *e)
{
	uint64_t ago;

	if (strcmp(s, "now") == 0) {
		*ret = clock_wall();
		return 0;
	}
	if (s[0] == '-') {
		if (adm_parse_duration(s + 1, &ago, e) < 0)
			return -EINVAL;
		*ret = clock_wall() - (int64_t)ago;
		return 0;
	}
	if (encoding_parse_time(s, ret) < 0)
		return err_usage(e,
				 "'%s': not a time (like 2026-11-20T08:00:00Z, "
				 "now, -2h)",
				 s);
	return 0;
}

int adm_parse_reference(const char *s, char *id, uint32_t *ret_min,
			struct err *e)
{
	size_t n = strcspn(s, ":");
	uint64_t min;

	if (n < DOC_ID_SIZE) {
		memcpy(id, s, n);
		id[n] = '\0';
	}
	if (n >= DOC_ID_SIZE || !encoding_is_valid_id(id))
		return err_set(e, EINVAL, "'%s': not an id", s);
	if (!s[n])
		return 0;
	if (encoding_parse_number(s + n + 1, INT32_MAX, &min) < 0 || min == 0)
		return err_set(e, EINVAL, "'%s': not ID:VERSION", s);
	*ret_min = (uint32_t)min;
	return 0;
}

int adm_write_output(const char *path, const char *text, struct err *e)
{
	if (path)
		return io_replace_file(path, text, strlen(text), 0644, e);
	return fputs(text, stdout) < 0 || fflush(stdout) < 0
		       ? err_sys(e, errno, "write")
		       : 0;
}

int adm_write_secret(const char *path, const char *line, struct err *e)
{
	auto_free char *text = NULL;

	if (asprintf(&text, "%s\n", line) < 0)
		return err_oom(e, path);
	return io_replace_file(path, text, strlen(text), 0600, e);
}

void adm_print_json(const json_t *j)
{
	auto_free char *text = json_text_indented(j, 2);

	puts(text ? text : "");
}

int adm_print_rows(const struct adm *a, const struct table_column *columns,
		   const json_t *rows, struct err *e)
{
	auto_json json_t *items = NULL;

	if (!a->json)
		return table_print_rows(columns, rows, e);
	items = json_pack("{sO}", "items", rows);
	adm_print_json(items);
	return 0;
}

int adm_print_object(const struct adm *a, const struct table_column *columns,
		     const json_t *object, struct err *e)
{
	if (!a->json)
		return table_print_object(columns, object, e);
	adm_print_json(object);
	return 0;
}
