/* SPDX-License-Identifier: Apache-2.0 */
/* Tars of any compression, as a folder's archive and as an OCI layer. */
#include "images/tree/tree.h"
#include "images/tree/unpack.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/fuzz/fuzz.h"

#include <ftw.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define OPEN_FOLDERS 16

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	return remove(path);
}

static void unpack(int fd, bool whiteouts)
{
	char path[] = "/tmp/cells-fuzz.XXXXXX";
	AUTO(tree_freep) struct tree *t = NULL;
	uint8_t diff_id[HASH_SIZE];
	struct unpack u;
	struct err e;

	unpack_init(&u);
	u.max_entries = 1000;
	u.max_bytes = 1 << 20;
	if (!mkdtemp(path) || rmdir(path) < 0 || tree_new(path, &t, &e) < 0)
		abort();
	if (whiteouts && tree_begin_layer(t, &e) < 0)
		abort();
	if (lseek(fd, 0, SEEK_SET) == 0)
		unpack_tar(&u, fd, "input", whiteouts, t, diff_id, &e);
	nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_close int fd = memfd_create("input", MFD_CLOEXEC);
	struct unpack u;
	struct err e;
	bool layout;

	setlocale(LC_CTYPE, "C.UTF-8");
	if (fd < 0 || io_write_all(fd, data, len) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		abort();
	unpack_init(&u);
	unpack_is_layout(&u, fd, "input", &layout, &e);
	unpack(fd, false);
	unpack(fd, true);
	return 0;
}
