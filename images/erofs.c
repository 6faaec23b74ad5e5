/* SPDX-License-Identifier: Apache-2.0 */
#include "images/erofs.h"

#include "images/cancel.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of no meaning but to be the same each time. */
#define UUID "63656c6c-7300-4000-8000-%012x"

/* Bytes of a file that are kept or left out as one, where there are holes. */
#define CHUNK "65536"
#define CHUNK_BYTES 65536

static void close_fts(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}

/* Fewer blocks than bytes may be the work of a file system that compresses. */
static bool is_sparse(const FTSENT *at)
{
	const struct stat *st = at->fts_statp;
	auto_close int fd = -1;
	off_t hole;

	if (at->fts_info != FTS_F ||
	    st->st_size - (off_t)st->st_blocks * 512 < CHUNK_BYTES)
		return false;
	fd = open(at->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	hole = fd < 0 ? -1 : lseek(fd, 0, SEEK_HOLE);
	return hole >= 0 && hole < st->st_size;
}

static int find_hole(const char *tree, bool *ret, struct err *e)
{
	auto_free char *top = strdup(tree);
	char *const roots[] = { top, NULL };
	AUTO(close_fts) FTS *fts = NULL;
	FTSENT *at;

	*ret = false;
	if (!top)
		return err_oom(e, tree);
	fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!fts)
		return err_sys(e, errno, "read folder %s", tree);
	while (!*ret && (at = fts_read(fts)))
		*ret = is_sparse(at);
	return 0;
}

int erofs_make(const char *tree, const char *file, unsigned int index,
	       int64_t newest, const char *compress, const char *log,
	       struct err *e)
{
	char uuid[sizeof(UUID) + 12], epoch[64], compressor[32];
	const char *const env[] = { epoch, NULL };
	const char *argv[12];
	unsigned int n = 0;
	bool has_hole = false;
	int r = compress ? 0 : find_hole(tree, &has_hole, e);

	if (r < 0)
		return r;

	snprintf(uuid, sizeof(uuid), UUID, index);
	snprintf(epoch, sizeof(epoch), "SOURCE_DATE_EPOCH=%" PRId64, newest);
	argv[n++] = "mkfs.erofs";
	argv[n++] = "--quiet";
	argv[n++] = "-U";
	argv[n++] = uuid;
	argv[n++] = "-Enoinline_data";
	if (compress) {
		snprintf(compressor, sizeof(compressor), "-z%s", compress);
		argv[n++] = compressor;
	}
	if (has_hole)
		argv[n++] = "--chunksize=" CHUNK;
	argv[n++] = "--";
	argv[n++] = file;
	argv[n++] = tree;
	argv[n] = NULL;
	return cancel_run(argv, env, log, e);
}
