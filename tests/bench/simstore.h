/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's devices: keys and certificates, made once through the
 * server's own enrollment and kept in a file for later runs.
 */
#ifndef TESTS_BENCH_SIMSTORE_H
#define TESTS_BENCH_SIMSTORE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct key;

struct simstore_device {
	char id[32], epoch[33];
	char *identity, *cert; /* PEM */
	struct key *receipts;
};

struct simstore {
	char host[256];
	uint16_t port, device_port;
	char *ca;
	struct simstore_device *device;
	size_t n;
};

/* -ENOENT: there is no such file. */
int simstore_load(const char *path, struct simstore *ret, struct err *e);
int simstore_save(const struct simstore *s, const char *path, struct err *e);
void simstore_fini(struct simstore *s);

/* Enrolls devices by the URI until there are n; `tell` after each. */
int simstore_enroll(struct simstore *s, const char *uri, size_t n,
		    void (*tell)(size_t done, size_t n), struct err *e);

#endif
