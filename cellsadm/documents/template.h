/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creates documents of each type from options, as XML that passes doc_parse().
 */
#ifndef CELLSADM_DOCUMENTS_TEMPLATE_H
#define CELLSADM_DOCUMENTS_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"
#include "lib/opt.h"

struct err;

#define TEMPLATE_DAYS 365

struct template_options {
	/* of all */
	const char *org, *id;
	uint64_t version, days;
	/* vp-config */
	const char *label, *image, *memory, *storage, *io_read, *io_write,
		*network, *rate, *attention, *notify, *then, *offline_then;
	struct opt_list allow; /* "[PROTOCOL:]NET[:PORT]" */
	uint64_t cpu_weight, io_weight, pids, idle_seconds, attempts,
		offline_hours;
	bool on_boot, no_new_privs;
	const char *password; /* NULL: not protected */
	uint64_t iterations;  /* 0: KEY_ITERATIONS */
	const void *secrets;
	size_t secrets_len;
	/* device-policy:
	 * "work:microphone=exclusive,gps=none+block,default=none" */
	struct opt_list vps;
	const char *require;
	/* group and membership: "ID:MIN" */
	struct opt_list policies, vp_configs;
	const char *device, *epoch, *group;
	const char *after; /* membership: the digest of the one before it */
	/* command */
	const char *action, *vp;
	const void *sealed_key;
	size_t sealed_key_len;
	uint64_t ttl; /* seconds; 0: by days */
};

/* The caller frees *ret. */
int template_build_xml(enum doc_type t, const struct template_options *s,
		       char **ret, struct err *e);

#endif
