/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/keyslot_file.h"

#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int open_keyslot_file(int dir, const char *name, int flags, int *ret,
			     struct err *e)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the slots %s", name);
	*ret = fd;
	return 0;
}

int keyslot_file_read(int dir, const char *name, struct keyslots *ret,
		      struct err *e)
{
	uint8_t data[KEYSLOTS_SIZE + 1];
	auto_close int fd = -1;
	ssize_t n;
	int r = open_keyslot_file(dir, name, O_RDONLY, &fd, e);

	if (r < 0)
		return r;
	n = read(fd, data, sizeof(data));
	if (n < 0)
		return err_sys(e, errno, "read the slots %s", name);
	return keyslots_parse(data, (size_t)n, ret, e);
}

int keyslot_file_create(int dir, const char *name, const struct keyslots *s,
			struct err *e)
{
	uint8_t data[KEYSLOTS_SIZE];

	keyslots_format_header(s, data);
	for (unsigned int i = 0; i < KEYSLOTS_PLACES; i++)
		keyslots_format_slot(&s->place[i],
				     data + (i + 1) * (size_t)KEYSLOTS_BLOCK);
	return io_make_file(dir, name, data, sizeof(data), e);
}

static int write_keyslot(int fd, const char *name, unsigned int i,
			 const struct keyslot *p, struct err *e)
{
	uint8_t block[KEYSLOTS_BLOCK];

	keyslots_format_slot(p, block);
	if (pwrite(fd, block, sizeof(block), (off_t)(i + 1) * KEYSLOTS_BLOCK) !=
		    sizeof(block) ||
	    fdatasync(fd) < 0)
		return err_sys(e, errno, "write the slots %s", name);
	return 0;
}

/* Empties places of that type, the one at `but` excepted. */
static int clear_keyslots_of_type(int fd, const char *name, struct keyslots *s,
				  enum keyslot_type t, unsigned int but,
				  unsigned int *ret_n, struct err *e)
{
	const struct keyslot empty = { .type = KEYSLOT_EMPTY };

	*ret_n = 0;
	for (unsigned int i = 0; i < KEYSLOTS_PLACES; i++) {
		int r;

		if (i == but || s->place[i].type != t)
			continue;
		r = write_keyslot(fd, name, i, &empty, e);
		if (r < 0)
			return r;
		s->place[i] = empty;
		++*ret_n;
	}
	return 0;
}

int keyslot_file_replace_slot(int dir, const char *name, struct keyslots *s,
			      const struct keyslot *p, struct err *e)
{
	struct keyslot fresh = *p;
	auto_close int fd = -1;
	unsigned int at = 0, n;
	int r;

	fresh.sequence = 1;
	for (unsigned int i = 0; i < KEYSLOTS_PLACES; i++)
		if (s->place[i].sequence >= fresh.sequence)
			fresh.sequence = s->place[i].sequence + 1;
	while (at < KEYSLOTS_PLACES && s->place[at].type != KEYSLOT_EMPTY)
		at++;
	if (at == KEYSLOTS_PLACES)
		return err_set(e, ENOSPC, "the slots %s are full", name);
	r = open_keyslot_file(dir, name, O_WRONLY, &fd, e);
	if (r == 0)
		r = write_keyslot(fd, name, at, &fresh, e);
	if (r < 0)
		return r;
	s->place[at] = fresh;
	return clear_keyslots_of_type(fd, name, s, p->type, at, &n, e);
}

int keyslot_file_destroy_slots(int dir, const char *name, struct keyslots *s,
			       enum keyslot_type t, unsigned int *ret_n,
			       struct err *e)
{
	auto_close int fd = -1;
	unsigned int n = 0;
	int r = open_keyslot_file(dir, name, O_WRONLY, &fd, e);

	if (r == 0)
		r = clear_keyslots_of_type(fd, name, s, t, KEYSLOTS_PLACES, &n,
					   e);
	if (ret_n)
		*ret_n = n;
	return r;
}

/* Random bytes, then zeros: what is left on the medium is neither. */
static int overwrite_keyslot_file(int fd, const char *name, struct err *e)
{
	uint8_t data[KEYSLOTS_SIZE];

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

int keyslot_file_shred(int dir, const char *name, struct err *e)
{
	auto_close int fd = -1;
	int r = open_keyslot_file(dir, name, O_WRONLY, &fd, e);

	if (r == -ENOENT)
		return fsync(dir) < 0 ? err_sys(e, errno, "sync the slots") : 0;
	if (r == 0)
		r = overwrite_keyslot_file(fd, name, e);
	if (r < 0)
		return r;
	if ((unlinkat(dir, name, 0) < 0 && errno != ENOENT) || fsync(dir) < 0)
		return err_sys(e, errno, "unlink the slots %s", name);
	return 0;
}
