/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of VPs' data, in slots (keyslots.h): STATE/keys/work.17 for each VP,
 * and STATE/device.key, 32 random bytes that wrap the device slots.
 *
 * A VP has a passcode slot or a device slot, so that it needs a passcode or
 * none; and a recovery slot, if the organisation has a key for that. A VP that
 * was locked and has a recovery slot has no device slot.
 */
#ifndef CELLSD_VP_KEYS_H
#define CELLSD_VP_KEYS_H

#include "cellsd/keyslots.h"

#define VPKEYS_NAME_SIZE (VP_NAME_SIZE + 24)

struct err;
struct secret;

struct vpkeys {
	int state, keys; /* folders */
};
#define VPKEYS_NONE                                                            \
	{                                                                      \
		.state = -1, .keys = -1                                        \
	}

int vpkeys_open(const char *state_dir, struct vpkeys *ret, struct err *e);
void vpkeys_fini(struct vpkeys *k);

/* "work.17": files of the VP with that range of ids. */
void vpkeys_name(const struct vp *v, char ret[VPKEYS_NAME_SIZE]);

/* -ENOENT: it has none. */
int vpkeys_read(const struct vpkeys *k, const struct vp *v, struct slots *ret,
		struct err *e);

/* A new key, in a device slot, and in a recovery slot if there is to be one. */
int vpkeys_make(const struct vpkeys *k, const struct vp *v, struct slots *ret,
		struct err *e);

/* Who brings the key: nobody (the device slot), a passcode, or the key itself.
 */
enum vpkeys_by { VPKEYS_DEVICE, VPKEYS_PASSCODE, VPKEYS_KEY };

/* *ret: the key, the caller's. err.password: it does not fit. */
int vpkeys_find(const struct vpkeys *k, const struct slots *s,
		enum vpkeys_by by, const struct secret *given,
		struct secret **ret, struct err *e);

/* Does the recovery slot fit what the VP's properties want; makes it so. */
bool vpkeys_is_settled(const struct vp *v, const struct slots *s);
int vpkeys_settle(const struct vpkeys *k, const struct vp *v, struct slots *s,
		  const struct secret *key, struct err *e);

/* A passcode is needed from now on; an empty one: the device opens it. */
int vpkeys_set_passcode(const struct vpkeys *k, const struct vp *v,
			struct slots *s, const struct secret *key,
			const struct secret *passcode, struct err *e);

/* Destroys the device slot, if there is a recovery slot. *ret: how many. */
int vpkeys_bar(const struct vpkeys *k, const struct vp *v, struct slots *s,
	       unsigned int *ret, struct err *e);

/* Overwrites and unlinks all slots. */
int vpkeys_shred(const struct vpkeys *k, const struct vp *v, struct err *e);

#endif
