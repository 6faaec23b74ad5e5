/* SPDX-License-Identifier: Apache-2.0 */
#include "images/erofs.h"

#include "images/interrupt.h"
#include "images/tree/walk.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of no meaning but to be the same each time. */
#define UUID "63656c6c-7300-4000-8000-%012x"

/* Bytes of a file that are kept or left out as one, where there are holes. */
#define PIECE 65536

/* Fewer blocks than bytes may be the work of a file system that compresses. */
static bool is_sparse_file(const FTSENT *at)
{
	const struct stat *st = at->fts_statp;
	auto_close int fd = -1;
	off_t hole;

	if (at->fts_info != FTS_F ||
	    st->st_size - (off_t)st->st_blocks * 512 < PIECE)
		return false;
	fd = open(at->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	hole = fd < 0 ? -1 : lseek(fd, 0, SEEK_HOLE);
	return hole >= 0 && hole < st->st_size;
}

/* 1: a file in the tree has one. */
static int find_sparse_file(const char *tree, struct err *e)
{
	AUTO(walk_close) FTS *walk = NULL;
	FTSENT *at;
	int r = walk_open(tree, &walk, e);

	while (r >= 0 && (r = walk_next(walk, &at, e)) > 0)
		if (is_sparse_file(at))
			return 1;
	return r;
}

int erofs_build_layer(const char *tree, const char *file, unsigned int index,
		      int64_t newest, const char *compress, const char *log,
		      struct err *e)
{
	char uuid[sizeof(UUID) + 12], epoch[64], compressor[32], piece[32];
	const char *const env[] = { epoch, NULL };
	const char *argv[12];
	unsigned int n = 0;
	int has_hole = compress ? 0 : find_sparse_file(tree, e);

	if (has_hole < 0)
		return has_hole;
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
	if (has_hole) {
		snprintf(piece, sizeof(piece), "--chunksize=%d", PIECE);
		argv[n++] = piece;
	}
	argv[n++] = "--";
	argv[n++] = file;
	argv[n++] = tree;
	argv[n] = NULL;
	return interrupt_run_program(argv, env, log, e);
}
