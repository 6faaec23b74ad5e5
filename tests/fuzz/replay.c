/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of its corpus folder, as TAP: what
 * `make check` does with no clang and no libFuzzer.
 */
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define INPUT_MAX (64 * 1024 * 1024)

int main(int argc, char **argv)
{
	const char *source = getenv("srcdir"), *name = strrchr(argv[0], '/');
	auto_closedir DIR *dir = NULL;
	auto_free char *folder = NULL;
	unsigned int n = 0;
	struct dirent *de;

	name = name ? name + 1 : argv[0];
	if (asprintf(&folder, "%s/tests/fuzz/corpus/%s", source ? source : ".",
		     name + strlen("fuzz_")) < 0)
		return EXIT_FAILURE;
	dir = opendir(argc > 1 ? argv[1] : folder);
	if (!dir) {
		printf("Bail out! no corpus %s\n", folder);
		return EXIT_FAILURE;
	}
	while ((de = readdir(dir))) {
		auto_free char *path = io_join(folder, de->d_name);
		auto_free char *data = NULL;
		struct err e;
		size_t len;

		if (de->d_name[0] == '.' ||
		    io_read_file(path, INPUT_MAX, &data, &len, &e) < 0)
			continue;
		LLVMFuzzerTestOneInput((const uint8_t *)data, len);
		printf("ok %u - %s %s\n", ++n, name, de->d_name);
	}
	printf("1..%u\n", n);
	return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
