/* SPDX-License-Identifier: Apache-2.0 */
/* What cells-mgmtd.conf(5) sets. */
#ifndef MGMT_SERVER_CORE_SETTINGS_H
#define MGMT_SERVER_CORE_SETTINGS_H

#include <stdint.h>

struct err;

struct settings {
	char *admin_listen,
		*device_listen;		  /* address or interface; NULL: any */
	uint64_t admin_port, device_port; /* 0: any that is free */
	uint64_t connections, admin_connections,
		address_connections; /* of both ports together */
	uint64_t admit_rate;	     /* device channels opened a second */
	uint64_t token_rate;	     /* requests a second by one token */
	uint64_t address_rate;	     /* requests a second without a token */
	uint64_t login_rate;	     /* log-ins a minute from one address */
	uint64_t stall_seconds;	     /* a peer that takes nothing is cut */
};

/* Defaults, then the file, which may be missing unless must_exist. */
int settings_read(struct settings *s, const char *path, int must_exist,
		  struct err *e);
void settings_fini(struct settings *s);

#endif
