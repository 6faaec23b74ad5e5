/* SPDX-License-Identifier: Apache-2.0 */
/* A server without sockets for fuzz targets: one device, some documents. */
#ifndef TESTS_FUZZ_OFFICE_H
#define TESTS_FUZZ_OFFICE_H

#define OFFICE_DEVICE "dev-0123456789ab"
#define OFFICE_EPOCH "00112233445566778899aabbccddeeff"

struct server;

/* The same each time; aborts if it cannot be made. */
struct server *office_server(void);

#endif
