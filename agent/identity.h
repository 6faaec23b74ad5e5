/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the device is towards the server: a key made on the device, which never
 * leaves its folder, and what an enrollment brought: certificate, CA, address.
 * Enrolling again replaces that as a whole. In the state folder:
 *   identity.key     the key (PEM)
 *   enrolment.json   in use
 *   enrolment.next   brought by the server, not yet confirmed by cells-policyd
 */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/key.h"

#define IDENTITY_DEVICE_SIZE sizeof("dev-0123456789ab")
#define IDENTITY_EPOCH_SIZE 33

struct err;

struct identity_enrollment {
	char device[IDENTITY_DEVICE_SIZE], epoch[IDENTITY_EPOCH_SIZE];
	char host[256];
	uint16_t port, device_port; /* administrators', devices' */
	char *ca, *cert;	    /* PEM, owned */
};

void identity_enrollment_fini(struct identity_enrollment *n);

struct identity {
	char *folder;
	struct key *key;
	char *key_pem;
	char device[IDENTITY_DEVICE_SIZE];
	bool is_enrolled, has_next;
	struct identity_enrollment now, next;
};

/* Opens the folder and, the first time, makes the key. */
int identity_open(const char *folder, struct identity **ret, struct err *e);
void identity_free(struct identity *id);

/* Stores a new enrollment durably, beside the one in use. */
int identity_stage(struct identity *id, const struct identity_enrollment *n,
		   struct err *e);
/* Puts the staged enrollment in use, or removes it. */
int identity_commit(struct identity *id, struct err *e);
void identity_drop_staged(struct identity *id);

/* Replaces the certificate in use with a renewed one. */
int identity_renew(struct identity *id, const char *cert, struct err *e);

static inline void identity_freep(struct identity **id)
{
	identity_free(*id);
}

#endif
