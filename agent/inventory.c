/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/inventory.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <string.h>
#include <sys/utsname.h>

#define FILE_MAX 4096

/* Device trees first, then PCs. */
static const char *const model_files[] = {
	"/proc/device-tree/model",
	"/sys/class/dmi/id/product_name",
};

/* Files of others: anything but plain text is left out. */
static void add_text_member(json_t *j, const char *name, const char *text,
			    size_t len)
{
	while (len > 0 && strchr("\n\"", text[len - 1]))
		len--;
	if (len > 0 && strnlen(text, len) == len)
		json_object_set_new(j, name, json_stringn(text, len));
}

static void add_device_model(json_t *j)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(model_files); i++) {
		auto_free char *text = NULL;
		struct err e;
		size_t len;

		if (io_read_file(model_files[i], FILE_MAX, &text, &len, &e) < 0)
			continue;
		add_text_member(j, "model", text, strlen(text));
		return;
	}
}

static void add_os_release(json_t *j)
{
	static const char key[] = "PRETTY_NAME=";
	auto_free char *text = NULL;
	char *line, *rest;
	struct err e;
	size_t len;

	if (io_read_file("/etc/os-release", FILE_MAX, &text, &len, &e) < 0)
		return;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		line += strlen(key);
		line += *line == '"';
		add_text_member(j, "os", line, strlen(line));
	}
}

json_t *inventory_new(void)
{
	struct utsname u;
	json_t *j = json_object();

	if (!j || uname(&u) < 0)
		return j;
	add_text_member(j, "hostname", u.nodename, strlen(u.nodename));
	add_text_member(j, "kernel", u.release, strlen(u.release));
	add_text_member(j, "machine", u.machine, strlen(u.machine));
	add_device_model(j);
	add_os_release(j);
	return j;
}
