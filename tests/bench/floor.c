/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no device can do without when it accepts a document: verifications by
 * the crypto library and one sync of the disk. `floor N DIR` does N
 * verifications and one fsync of a page in DIR, and prints the nanoseconds of
 * both.
 */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/key.h"
#include "lib/err.h"
#include "lib/io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 4096
#define VERIFICATIONS_MAX 1000

static int verify(unsigned long n, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	uint8_t digest[HASH_SIZE], sig[KEY_SIG_MAX];
	size_t len;
	uint64_t start;
	int r = key_generate(&k, e);

	if (r < 0)
		return r;
	hash_random(digest, sizeof(digest));
	r = key_sign(k, digest, sig, &len, e);
	start = clock_mono_ns();
	for (unsigned long i = 0; r >= 0 && i < n; i++)
		r = key_verify(k, digest, sig, len);
	printf("%" PRIu64 " ", clock_mono_ns() - start);
	return r;
}

static int sync_page(const char *dir, struct err *e)
{
	auto_free char *path = io_join(dir, "floor");
	auto_close int fd = -1;
	char page[PAGE] = { 0 };
	uint64_t start;
	int r;

	if (!path)
		return err_oom(e, dir);
	fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "open %s", path);
	start = clock_mono_ns();
	r = io_write_all(fd, page, sizeof(page));
	if (r < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "sync %s", path);
	printf("%" PRIu64 "\n", clock_mono_ns() - start);
	return 0;
}

int main(int argc, char **argv)
{
	struct err e;
	unsigned long n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;

	if (n == 0 || n > VERIFICATIONS_MAX) {
		fprintf(stderr, "usage: floor VERIFICATIONS FOLDER\n");
		return 64;
	}
	if (verify(n, &e) < 0 || sync_page(argv[2], &e) < 0) {
		fprintf(stderr, "floor: %s\n", e.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
