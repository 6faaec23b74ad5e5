/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of VPs: encrypted folders, and the slots that hold their keys.
 *
 *   STATE/vps/work.17         the folder, where the host's file system has
 *                             fscrypt and the VP's size is not limited, or
 *   STATE/vps/work.17.vault   a file with a file system for it (data_image.h)
 * vp_keys.h tells where their keys are.
 */
#ifndef CELLSD_VP_DATA_H
#define CELLSD_VP_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cellsd/vp_keys.h"

#define VPDATA_VAULT ".vault"

struct err;
struct secret;
struct vpdata;

/* Vaults are mounted below the stage's folder `vaults`. */
int vpdata_new(const char *state_dir, int stage, struct vpdata **ret,
	       struct err *e);
void vpdata_free(struct vpdata *d);

/* Has the state folder's own file system fscrypt? */
bool vpdata_has_fscrypt(const struct vpdata *d);

/* The folder of all VPs' data; borrowed. */
int vpdata_folder(const struct vpdata *d);

/*
 * The VP's folder with `upper` and `work`, readable; what is not there is made.
 * *ret is the caller's. err.vp-state: its key is not to be had.
 */
int vpdata_open(struct vpdata *d, const struct vp *v, int *ret, struct err *e);

/* After a restart: keeps the file system of a VP that runs at hand, so that its
 * key does not go with its processes. */
void vpdata_adopt(struct vpdata *d, const struct vp *v);

/*
 * What reads and writes of the VP's open data go through: the loop device of
 * its vault, or the disk under its folder. 0: it is not open, or on no disk.
 */
dev_t vpdata_disk(struct vpdata *d, const struct vp *v);

/* Can the data be read now? */
bool vpdata_is_open(struct vpdata *d, const struct vp *v);
/* Could it be, without anybody's help? Also if there is none yet. */
bool vpdata_can_open(struct vpdata *d, const struct vp *v);
/* The same, of data that is there. */
bool vpdata_is_at_hand(struct vpdata *d, const struct vp *v);

/*
 * Syncs and takes the key from the kernel. -EBUSY: something still holds files
 * open. *ret_keys: how many keys there were.
 */
int vpdata_evict(struct vpdata *d, const struct vp *v, unsigned int *ret_keys,
		 struct err *e);

/* Unmounts the vault, if there is one; its key is no longer in the kernel. */
void vpdata_close(struct vpdata *d, const struct vp *v);

/* After eviction: destroys the device slot, if there is a recovery slot. */
int vpdata_bar(struct vpdata *d, const struct vp *v, unsigned int *ret_slots,
	       struct err *e);

/* Would it unlock the VP? err.password: no. */
int vpdata_check(struct vpdata *d, const struct vp *v, enum vpkeys_by by,
		 const struct secret *secret, struct err *e);

/* err.password. The key itself replaces a passcode by a device slot. */
int vpdata_unlock(struct vpdata *d, const struct vp *v, enum vpkeys_by by,
		  const struct secret *secret, struct err *e);

/* Takes the old one (or none, where there is none); an empty new one: none from
 * now on. err.password. */
int vpdata_set_passcode(struct vpdata *d, const struct vp *v,
			const struct secret *old, const struct secret *fresh,
			struct err *e);

/* Makes slots and size what the VP's properties say, as far as can be now. */
void vpdata_settle(struct vpdata *d, const struct vp *v);

/* May the data take more of the disk, by what it writes? *ret_taken: bytes that
 * it has now, where that is known. */
bool vpdata_grows(struct vpdata *d, const struct vp *v, uint64_t *ret_taken);

/* Overwrites and unlinks all slots. */
int vpdata_shred(struct vpdata *d, const struct vp *v, struct err *e);

struct vpdata_info {
	char medium[48]; /* "vault on ext4"; "": no data yet */
	unsigned int n_slots;
	bool has[SLOT_RECOVERY + 1]; /* slots, by type */
	bool open, too_large;
	bool damaged; /* its file system had an error that is not mended yet */
	char id[2 * SLOTS_ID_SIZE + 1];
	uint8_t point[BOX_POINT_SIZE], box[SLOTS_BOX_SIZE]; /* recovery */
};
void vpdata_tell(struct vpdata *d, const struct vp *v, struct vpdata_info *ret);

static inline void vpdata_freep(struct vpdata **d)
{
	vpdata_free(*d);
}

#endif
