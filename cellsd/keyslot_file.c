/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/keyslot_file.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int open_file(int dir, const char *name, int flags, int *ret,
		     struct err *e)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the slots %s", name);
	*ret = fd;
	return 0;
}

int slotfile_read(int dir, const char *name, struct slots *ret, struct err *e)
{
	uint8_t data[SLOTS_SIZE + 1];
	auto_close int fd = -1;
	ssize_t n;
	int r = open_file(dir, name, O_RDONLY, &fd, e);

	if (r < 0)
		return r;
	n = read(fd, data, sizeof(data));
	if (n < 0)
		return err_sys(e, errno, "read the slots %s", name);
	return slots_parse(data, (size_t)n, ret, e);
}

int slotfile_make(int dir, const char *name, const struct slots *s,
		  struct err *e)
{
	uint8_t data[SLOTS_SIZE];

	slots_write_head(s, data);
	for (unsigned int i = 0; i < SLOTS_PLACES; i++)
		slots_write_place(&s->place[i],
				  data + (i + 1) * (size_t)SLOTS_BLOCK);
	return io_make_file(dir, name, data, sizeof(data), e);
}

static int write_place(int fd, const char *name, unsigned int i,
		       const struct slot *p, struct err *e)
{
	uint8_t block[SLOTS_BLOCK];

	slots_write_place(p, block);
	if (pwrite(fd, block, sizeof(block), (off_t)(i + 1) * SLOTS_BLOCK) !=
		    sizeof(block) ||
	    fdatasync(fd) < 0)
		return err_sys(e, errno, "write the slots %s", name);
	return 0;
}

/* Empties places of that type, the one at `but` excepted. */
static int empty_places(int fd, const char *name, struct slots *s,
			enum slot_type t, unsigned int but, unsigned int *ret_n,
			struct err *e)
{
	const struct slot empty = { .type = SLOT_EMPTY };

	*ret_n = 0;
	for (unsigned int i = 0; i < SLOTS_PLACES; i++) {
		int r;

		if (i == but || s->place[i].type != t)
			continue;
		r = write_place(fd, name, i, &empty, e);
		if (r < 0)
			return r;
		s->place[i] = empty;
		++*ret_n;
	}
	return 0;
}

int slotfile_put(int dir, const char *name, struct slots *s,
		 const struct slot *p, struct err *e)
{
	struct slot fresh = *p;
	auto_close int fd = -1;
	unsigned int at = 0, n;
	int r;

	fresh.sequence = 1;
	for (unsigned int i = 0; i < SLOTS_PLACES; i++)
		if (s->place[i].sequence >= fresh.sequence)
			fresh.sequence = s->place[i].sequence + 1;
	while (at < SLOTS_PLACES && s->place[at].type != SLOT_EMPTY)
		at++;
	if (at == SLOTS_PLACES)
		return err_set(e, ENOSPC, "the slots %s are full", name);
	r = open_file(dir, name, O_WRONLY, &fd, e);
	if (r == 0)
		r = write_place(fd, name, at, &fresh, e);
	if (r < 0)
		return r;
	s->place[at] = fresh;
	return empty_places(fd, name, s, p->type, at, &n, e);
}

int slotfile_destroy(int dir, const char *name, struct slots *s,
		     enum slot_type t, unsigned int *ret_n, struct err *e)
{
	auto_close int fd = -1;
	unsigned int n = 0;
	int r = open_file(dir, name, O_WRONLY, &fd, e);

	if (r == 0)
		r = empty_places(fd, name, s, t, SLOTS_PLACES, &n, e);
	if (ret_n)
		*ret_n = n;
	return r;
}

/* Random bytes, then zeros: what is left on the medium is neither. */
static int overwrite(int fd, const char *name, struct err *e)
{
	uint8_t data[SLOTS_SIZE];

	for (int pass = 0; pass < 2; pass++) {
		if (pass == 0)
			hash_random(data, sizeof(data));
		else
			memset(data, 0, sizeof(data));
		if (pwrite(fd, data, sizeof(data), 0) != sizeof(data) ||
		    fsync(fd) < 0)
			return err_sys(e, errno, "overwrite the slots %s",
				       name);
	}
	return 0;
}

int slotfile_shred(int dir, const char *name, struct err *e)
{
	auto_close int fd = -1;
	int r = open_file(dir, name, O_WRONLY, &fd, e);

	if (r == -ENOENT)
		return fsync(dir) < 0 ? err_sys(e, errno, "sync the slots") : 0;
	if (r == 0)
		r = overwrite(fd, name, e);
	if (r < 0)
		return r;
	if ((unlinkat(dir, name, 0) < 0 && errno != ENOENT) || fsync(dir) < 0)
		return err_sys(e, errno, "unlink the slots %s", name);
	return 0;
}
