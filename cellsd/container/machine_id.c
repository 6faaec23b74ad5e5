/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/machine_id.h"

#include "cellsd/container/mount.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define UPPER "upper/"
#define ID_BYTES 16
#define ID_DIGITS (2 * ID_BYTES)

static const char *const places[] = { "etc/machine-id",
				      "var/lib/dbus/machine-id" };

/* Written in the VP, by it or by us. */
static bool is_written_by_vp(int data, const char *place)
{
	char path[64];
	auto_close int fd = -1;
	struct err none;

	snprintf(path, sizeof(path), UPPER "%s", place);
	return mount_open_beneath(data, path, O_PATH | O_NOFOLLOW, &fd,
				  &none) == 0;
}

static bool has_machine_id(int root, const char *place)
{
	auto_close int fd = -1;
	char text[ID_DIGITS];
	struct err none;

	return mount_open_beneath(root, place, O_RDONLY | O_NOFOLLOW, &fd,
				  &none) == 0 &&
	       read(fd, text, sizeof(text)) == sizeof(text);
}

static int replace_machine_id(int root, const char *place, const char *id,
			      struct err *e)
{
	auto_close int fd = -1;
	int r = mount_open_beneath(root, place, O_WRONLY | O_TRUNC | O_NOFOLLOW,
				   &fd, e);

	if (r < 0)
		return r;
	r = io_write_all(fd, id, ID_DIGITS + 1);
	/* A VP that has filled its disk starts; an empty one is made again. */
	if (r == -ENOSPC || r == -EDQUOT)
		return 0;
	return r < 0 ? err_sys(e, -r, "write /%s of the VP", place) : 0;
}

int machine_id_replace_inherited(int root, int data, struct err *e)
{
	uint8_t random[ID_BYTES];
	char id[ID_DIGITS + 1];
	int r = 0;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_sys(e, errno, "make a machine id");
	/* As a version 4 UUID, which some programs take it for. */
	random[6] = (random[6] & 0x0f) | 0x40;
	random[8] = (random[8] & 0x3f) | 0x80;
	encoding_to_hex(random, sizeof(random), id);
	id[ID_DIGITS] = '\n';
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(places); i++)
		if (!is_written_by_vp(data, places[i]) &&
		    has_machine_id(root, places[i]))
			r = replace_machine_id(root, places[i], id, e);
	return r;
}
