/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data of VPs: encrypted folders, and the slots that hold their keys.
 *
 *   STATE/vps/work.17         the folder, where the host's file system has
 *                             fscrypt and the VP's size is not limited, or
 *   STATE/vps/work.17.vault   a file with a file system for it (data_image.h)
 * for where their keys are see vp_keys.h their keys are.
 */
#ifndef CELLSD_STORAGE_VP_DATA_H
#define CELLSD_STORAGE_VP_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cellsd/storage/vp_keys.h"

#define VP_DATA_IMAGE_SUFFIX ".vault"

struct err;
struct secure_memory;
struct vp_data;

/* Vaults are mounted below the stage's folder `vaults`. */
int vp_data_new(const char *state_dir, int stage, struct vp_data **ret,
		struct err *e);
void vp_data_free(struct vp_data *d);

/* Has the state folder's own file system fscrypt? */
bool vp_data_has_fscrypt(const struct vp_data *d);

/* The folder of all VPs' data; borrowed. */
int vp_data_get_folder(const struct vp_data *d);

/*
 * The VP's folder with `upper` and `work`, readable; what is not there is made.
 * *ret is the caller's. err.vp-state: its key is not to be had.
 */
int vp_data_open(struct vp_data *d, const struct vp *v, int *ret,
		 struct err *e);

/* After a restart: keeps the file system of a VP that runs at hand, so that its
 * key does not go with its processes. */
void vp_data_adopt(struct vp_data *d, const struct vp *v);

/*
 * What reads and writes of the VP's open data go through: the loop device of
 * its vault, or the disk under its folder. 0: it is not open, or on no disk.
 */
dev_t vp_data_get_disk(struct vp_data *d, const struct vp *v);

/* Could it be, without anybody's help? Also if there is none yet. */
bool vp_data_can_open(struct vp_data *d, const struct vp *v);
/* The same, of data that is there. */
bool vp_data_is_available(struct vp_data *d, const struct vp *v);

/*
 * Syncs and takes the key from the kernel. -EBUSY: something still holds files
 * open. *ret_keys: how many keys there were.
 */
int vp_data_evict_key(struct vp_data *d, const struct vp *v,
		      unsigned int *ret_keys, struct err *e);

/* Unmounts the vault, if there is one; its key is no longer in the kernel. */
void vp_data_close(struct vp_data *d, const struct vp *v);

/* After eviction: destroys the device slot, if there is a recovery slot. */
int vp_data_destroy_device_slot(struct vp_data *d, const struct vp *v,
				unsigned int *ret_slots, struct err *e);

/* Would it unlock the VP? err.password: no. */
int vp_data_check_secret(struct vp_data *d, const struct vp *v,
			 enum vp_keys_source by,
			 const struct secure_memory *secret, struct err *e);

/* err.password. The key itself replaces a passcode by a device slot. */
int vp_data_unlock(struct vp_data *d, const struct vp *v,
		   enum vp_keys_source by, const struct secure_memory *secret,
		   struct err *e);

/* Takes the old one (or none, where there is none); an empty new one: none from
 * now on. err.password. */
int vp_data_set_passcode(struct vp_data *d, const struct vp *v,
			 const struct secure_memory *old,
			 const struct secure_memory *fresh, struct err *e);

/* Makes slots and size what the VP's properties say, as far as can be now. */
void vp_data_apply_properties(struct vp_data *d, const struct vp *v);

/* May the data take more of the disk, by what it writes? *ret_taken: bytes that
 * it has now, where that is known. */
bool vp_data_can_grow(struct vp_data *d, const struct vp *v,
		      uint64_t *ret_taken);

/* Overwrites and unlinks all slots. */
int vp_data_shred_slots(struct vp_data *d, const struct vp *v, struct err *e);

struct vp_data_info {
	char medium[48]; /* "vault on ext4"; "": no data yet */
	unsigned int n_slots;
	bool has[KEYSLOT_RECOVERY + 1]; /* slots, by type */
	bool open, too_large;
	bool damaged; /* its file system had an error that is not mended yet */
	char id[2 * KEYSLOTS_ID_SIZE + 1];
	uint8_t point[HPKE_PUBLIC_KEY_SIZE],
		box[KEYSLOTS_BOX_SIZE]; /* recovery */
};
void vp_data_get_info(struct vp_data *d, const struct vp *v,
		      struct vp_data_info *ret);

static inline void vp_data_freep(struct vp_data **d)
{
	vp_data_free(*d);
}

#endif
