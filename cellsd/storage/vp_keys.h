/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of VPs' data, in slots (keyslots.h): STATE/keys/work.17 for each VP,
 * and STATE/device.key, 32 random bytes that wrap the device slots.
 *
 * A VP has a passcode slot or a device slot, so that it needs a passcode or
 * none; and a recovery slot, if the organisation has a key for that. A VP that
 * was locked and has a recovery slot has no device slot.
 */
#ifndef CELLSD_STORAGE_VP_KEYS_H
#define CELLSD_STORAGE_VP_KEYS_H

#include "cellsd/storage/keyslots.h"

struct vp;

#define VP_KEYS_NAME_SIZE (VP_NAME_SIZE + 24)

struct err;
struct secure_memory;

struct vp_keys {
	int state, keys; /* folders */
};
#define VP_KEYS_NONE                                                           \
	{                                                                      \
		.state = -1, .keys = -1                                        \
	}

int vp_keys_open(const char *state_dir, struct vp_keys *ret, struct err *e);
void vp_keys_fini(struct vp_keys *k);

/* "work.17": files of the VP with that range of ids. */
void vp_keys_format_name(const struct vp *v, char ret[VP_KEYS_NAME_SIZE]);

/* -ENOENT: it has none. */
int vp_keys_read_slots(const struct vp_keys *k, const struct vp *v,
		       struct keyslots *ret, struct err *e);

/* A new key, in a device slot, and in a recovery slot if there is to be one. */
int vp_keys_create(const struct vp_keys *k, const struct vp *v,
		   struct keyslots *ret, struct err *e);

/* Who brings the key: nobody (the device slot), a passcode, or the key itself.
 */
enum vp_keys_source { VP_KEYS_DEVICE, VP_KEYS_PASSCODE, VP_KEYS_KEY };

/* *ret: the key, the caller's. err.password: it does not fit. */
int vp_keys_unwrap(const struct vp_keys *k, const struct keyslots *s,
		   enum vp_keys_source by, const struct secure_memory *given,
		   struct secure_memory **ret, struct err *e);

/* Does the recovery slot fit what the VP's properties want; makes it so. */
bool vp_keys_is_recovery_current(const struct vp *v, const struct keyslots *s);
int vp_keys_update_recovery(const struct vp_keys *k, const struct vp *v,
			    struct keyslots *s, const struct secure_memory *key,
			    struct err *e);

/* A passcode is needed from now on; an empty one: the device opens it. */
int vp_keys_set_passcode(const struct vp_keys *k, const struct vp *v,
			 struct keyslots *s, const struct secure_memory *key,
			 const struct secure_memory *passcode, struct err *e);

/* Destroys the device slot, if there is a recovery slot. *ret: how many. */
int vp_keys_destroy_device_slot(const struct vp_keys *k, const struct vp *v,
				struct keyslots *s, unsigned int *ret,
				struct err *e);

/* Overwrites and unlinks all slots. */
int vp_keys_shred_slots(const struct vp_keys *k, const struct vp *v,
			struct err *e);

#endif
