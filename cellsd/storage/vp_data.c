/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/vp_data.h"

#include "cellsd/container/mount.h"
#include "cellsd/device/disk.h"
#include "cellsd/storage/data_image.h"
#include "cellsd/storage/fscrypt.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"
#include "lib/crypto/secure_memory.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define IMAGES "vaults"
#define IN_IMAGE "data"

/* A VP whose file system is at hand. */
struct data_mount {
	uint32_t number; /* 0: free */
	int root;	 /* folder that the data folder lies in */
	bool is_data_image;
	uint8_t id[KEYSLOTS_ID_SIZE];
};

struct vp_data {
	struct vp_keys keys;
	int vps, vaults;  /* folders */
	bool has_fscrypt; /* where the state folder is */
	struct data_mount place[VPS_MAX];
};

enum data_kind { NONE, FOLDER, IMAGE };

/* Magic numbers of <linux/magic.h>. */
static const struct {
	long magic;
	const char *name;
} media[] = {
	{ EXT4_SUPER_MAGIC, "ext4" },	{ F2FS_SUPER_MAGIC, "f2fs" },
	{ BTRFS_SUPER_MAGIC, "btrfs" }, { XFS_SUPER_MAGIC, "xfs" },
	{ TMPFS_MAGIC, "tmpfs" },	{ OVERLAYFS_SUPER_MAGIC, "overlay" },
};

static const char *get_filesystem_name(int dir)
{
	struct statfs fs;

	for (size_t i = 0; fstatfs(dir, &fs) == 0 && i < ARRAY_SIZE(media); i++)
		if (media[i].magic == (long)fs.f_type)
			return media[i].name;
	return "unknown";
}

/* ---- names */

int vp_data_get_folder(const struct vp_data *d)
{
	return d->vps;
}

bool vp_data_has_fscrypt(const struct vp_data *d)
{
	return d->has_fscrypt;
}

static void format_image(const struct vp *v, char ret[VP_KEYS_NAME_SIZE])
{
	snprintf(ret, VP_KEYS_NAME_SIZE, "%s.%u" VP_DATA_IMAGE_SUFFIX, v->name,
		 v->number);
}

/* 1, 0 or -errno. */
static int is_file_present(int dir, const char *name)
{
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int get_data_kind(const struct vp_data *d, const struct vp *v,
			 enum data_kind *ret, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];
	enum data_kind kind = IMAGE;
	int r;

	format_image(v, name);
	r = is_file_present(d->vps, name);
	if (r == 0) {
		kind = FOLDER;
		vp_keys_format_name(v, name);
		r = is_file_present(d->vps, name);
	}
	if (r < 0)
		return err_sys(e, -r, "look for the data of VP %s", v->name);
	*ret = r ? kind : NONE;
	return 0;
}

/* What cannot be determined has no kind. */
static bool is_data_kind(const struct vp_data *d, const struct vp *v,
			 enum data_kind kind)
{
	enum data_kind found = NONE;
	struct err ignored;

	return get_data_kind(d, v, &found, &ignored) == 0 && found == kind;
}

/* The same, and its slots: -ENOENT, if it has none. */
static int read_vp_keyslots(const struct vp_data *d, const struct vp *v,
			    enum data_kind *ret_kind, struct keyslots *ret,
			    struct err *e)
{
	int r = get_data_kind(d, v, ret_kind, e);

	return r < 0 ? r : vp_keys_read_slots(&d->keys, v, ret, e);
}

/* ---- open and close */

static int make_folder(int dir, const char *name, int *ret, struct err *e)
{
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the folder %s", name);
	*ret = openat(dir, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open the folder %s", name) : 0;
}

int vp_data_new(const char *state_dir, int stage, struct vp_data **ret,
		struct err *e)
{
	AUTO(vp_data_freep) struct vp_data *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "open the VPs' data");
	d->keys = (struct vp_keys)VP_KEYS_NONE;
	d->vps = d->vaults = -1;
	r = vp_keys_open(state_dir, &d->keys, e);
	if (r == 0)
		r = make_folder(d->keys.state, "vps", &d->vps, e);
	if (r == 0)
		r = make_folder(stage, IMAGES, &d->vaults, e);
	if (r < 0)
		return r;
	d->has_fscrypt = fscrypt_is_supported(d->vps);
	*ret = steal(d);
	return 0;
}

void vp_data_free(struct vp_data *d)
{
	if (!d)
		return;
	for (unsigned int i = 0; i < VPS_MAX; i++)
		if (d->place[i].number)
			close(d->place[i].root);
	vp_keys_fini(&d->keys);
	auto_closep(&d->vps);
	auto_closep(&d->vaults);
	free(d);
}

/* ---- where a VP's file system is */

static struct data_mount *find_data_mount(struct vp_data *d, uint32_t number)
{
	for (unsigned int i = 0; i < VPS_MAX; i++)
		if (d->place[i].number == number)
			return &d->place[i];
	return NULL;
}

/* Is its storage set aside, or is that only a limit? Of a vault that was made
 * larger nobody asked to set aside all. */
static bool is_storage_reserved(const struct vp_data *d, const struct vp *v,
				const char *name)
{
	return v->conf.storage_max > 0 && !v->conf.overcommit &&
	       !data_image_exceeds_limit(d->vps, name, v->conf.storage_max);
}

/* One that is still mounted somewhere cannot be mended. */
static int fsck_unmounted_image(struct vp_data *d, const char *name,
				struct err *e)
{
	bool is_attached;
	int r = data_image_is_attached(d->vps, name, &is_attached, e);

	return r < 0 || is_attached ? r : data_image_fsck(d->vps, name, e);
}

static int mount_data_image(struct vp_data *d, const struct vp *v, int *ret,
			    struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];
	auto_close int mount = -1;
	int r;

	format_image(v, name);
	r = fsck_unmounted_image(d, name, e);
	if (r == 0)
		r = data_image_mount(d->vps, name,
				     is_storage_reserved(d, v, name), &mount,
				     e);
	if (r < 0)
		return r;
	if (mkdirat(d->vaults, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make a mount point");
	r = mount_attach(mount, d->vaults, name, e);
	return r < 0 ? r : make_folder(d->vaults, name, ret, e);
}

/* The VP must have data. */
static int attach_vp_data(struct vp_data *d, const struct vp *v,
			  const struct keyslots *s, struct data_mount **ret,
			  struct err *e)
{
	struct data_mount *p = find_data_mount(d, v->number);
	enum data_kind kind;
	int r;

	if (p) {
		*ret = p;
		return 0;
	}
	r = get_data_kind(d, v, &kind, e);
	if (r < 0)
		return r;
	p = find_data_mount(d, 0);
	if (!p)
		return err_set(e, EMFILE, "open the data of VP %s", v->name);
	if (kind == IMAGE) {
		r = mount_data_image(d, v, &p->root, e);
		if (r < 0)
			return r;
	} else {
		p->root = fcntl(d->vps, F_DUPFD_CLOEXEC, 3);
		if (p->root < 0)
			return err_sys(e, errno, "open the data of VP %s",
				       v->name);
	}
	p->is_data_image = kind == IMAGE;
	memcpy(p->id, s->id, sizeof(p->id));
	p->number = v->number;
	*ret = p;
	return 0;
}

static void detach_data(struct vp_data *d, const struct vp *v,
			struct data_mount *p)
{
	char name[VP_KEYS_NAME_SIZE];

	close(p->root);
	if (p->is_data_image) {
		format_image(v, name);
		mount_detach(d->vaults, name);
		unlinkat(d->vaults, name, AT_REMOVEDIR);
	}
	memset(p, 0, sizeof(*p));
}

/* ---- opening */

/* Slots and, where the data needs one, a vault. */
static int create_vp_data(struct vp_data *d, const struct vp *v,
			  struct keyslots *ret, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];
	enum data_kind kind = NONE;
	int r = read_vp_keyslots(d, v, &kind, ret, e);

	if (r == -ENOENT && kind == NONE)
		r = vp_keys_create(&d->keys, v, ret, e);
	if (r < 0 || kind != NONE || (d->has_fscrypt && !v->conf.storage_max))
		return r;
	format_image(v, name);
	return data_image_create(d->vps, name, v->conf.storage_max, e);
}

static int ensure_fscrypt_key(struct vp_data *d, const struct vp *v,
			      const struct data_mount *p,
			      const struct keyslots *s, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *key = NULL;
	int r;

	if (fscrypt_has_key(p->root, p->id))
		return 0;
	r = vp_keys_unwrap(&d->keys, s, VP_KEYS_DEVICE, NULL, &key, e);
	return r < 0 ? r : fscrypt_add_key(p->root, key, p->id, e);
}

static int open_data_folder(const struct vp *v, const struct data_mount *p,
			    int *ret, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE] = IN_IMAGE;
	auto_close int fd = -1;
	int r;

	if (!p->is_data_image)
		vp_keys_format_name(v, name);
	r = make_folder(p->root, name, &fd, e);
	if (r == 0)
		r = fscrypt_set_policy(fd, p->id, e);
	if (r < 0)
		return r;
	if ((mkdirat(fd, "upper", 0755) < 0 && errno != EEXIST) ||
	    (mkdirat(fd, "work", 0755) < 0 && errno != EEXIST))
		return err_sys(e, errno, "make the data folders of VP %s",
			       v->name);
	*ret = steal_fd(fd);
	return 0;
}

static bool has_image_error(const struct vp_data *d, const struct vp *v,
			    const struct data_mount *p)
{
	char name[VP_KEYS_NAME_SIZE];

	format_image(v, name);
	return p->is_data_image && data_image_has_error(d->vps, name);
}

/* After an error the kernel writes nothing more to it until it is mended. */
static int detach_broken_image(struct vp_data *d, const struct vp *v,
			       const struct keyslots *s, struct err *e)
{
	struct data_mount *p = find_data_mount(d, v->number);

	if (!p || !has_image_error(d, v, p))
		return 0;
	if (!keyslots_find_newest(s, KEYSLOT_DEVICE))
		return err_reason(e, REASON_VP_STATE,
				  "start VP %s: its file system had an error; "
				  "lock it and unlock it",
				  v->name);
	log_warning("VP %s: its file system had an error: mending it", v->name);
	detach_data(d, v, p);
	return 0;
}

static int reserve_storage(struct vp_data *d, const struct vp *v, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];

	format_image(v, name);
	return is_data_kind(d, v, IMAGE) && is_storage_reserved(d, v, name)
		       ? data_image_reserve(d->vps, name, e)
		       : 0;
}

int vp_data_open(struct vp_data *d, const struct vp *v, int *ret, struct err *e)
{
	struct keyslots s;
	struct data_mount *p;
	int r = create_vp_data(d, v, &s, e);

	if (r == 0)
		r = reserve_storage(d, v, e);
	if (r == 0)
		r = detach_broken_image(d, v, &s, e);
	if (r == 0)
		r = attach_vp_data(d, v, &s, &p, e);
	if (r == 0)
		r = ensure_fscrypt_key(d, v, p, &s, e);
	if (r == 0)
		r = open_data_folder(v, p, ret, e);
	if (r < 0 && e->reason == REASON_PASSWORD)
		e->reason = REASON_VP_STATE;
	return r;
}

void vp_data_adopt(struct vp_data *d, const struct vp *v)
{
	struct data_mount *p;
	struct keyslots s;
	struct err e;
	int r = vp_keys_read_slots(&d->keys, v, &s, &e);

	if (r == 0)
		r = attach_vp_data(d, v, &s, &p, &e);
	if (r < 0)
		log_warning("data of VP %s: %s", v->name, e.text);
}

/*
 * Not the disk below a vault: all that the VP writes has to pass the loop
 * device, where it waits in its own file system. Held back below, it would keep
 * the host's journal waiting, and everybody with it.
 */
dev_t vp_data_get_disk(struct vp_data *d, const struct vp *v)
{
	struct data_mount *p = v->number ? find_data_mount(d, v->number) : NULL;
	struct stat st;

	return p && fstat(p->root, &st) == 0 ? disk_find_whole(st.st_dev) : 0;
}

/* Can the data be read now? */
static bool is_data_open(struct vp_data *d, const struct vp *v)
{
	struct data_mount *p = v->number ? find_data_mount(d, v->number) : NULL;
	struct keyslots s;
	struct err ignored;

	if (p)
		return fscrypt_has_key(p->root, p->id);
	return is_data_kind(d, v, FOLDER) &&
	       vp_keys_read_slots(&d->keys, v, &s, &ignored) == 0 &&
	       fscrypt_has_key(d->vps, s.id);
}

bool vp_data_can_open(struct vp_data *d, const struct vp *v)
{
	struct keyslots s;
	struct err ignored;
	int r = vp_keys_read_slots(&d->keys, v, &s, &ignored);

	if (r < 0)
		return r == -ENOENT && is_data_kind(d, v, NONE);
	return keyslots_find_newest(&s, KEYSLOT_DEVICE) || is_data_open(d, v);
}

bool vp_data_is_available(struct vp_data *d, const struct vp *v)
{
	enum data_kind kind = NONE;
	struct err ignored;

	return get_data_kind(d, v, &kind, &ignored) == 0 && kind != NONE &&
	       vp_data_can_open(d, v);
}

/* ---- locking */

/* Of a VP that is not at hand. A vault that is nowhere mounted has none. */
static int check_key_may_be_loaded(struct vp_data *d, const struct vp *v,
				   bool *ret, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];
	enum data_kind kind;
	int r = get_data_kind(d, v, &kind, e);

	if (r < 0)
		return r;
	format_image(v, name);
	if (kind == IMAGE)
		return data_image_is_attached(d->vps, name, ret, e);
	*ret = kind != NONE;
	return 0;
}

/*
 * A file system that had an error writes nothing any more, so what is to be
 * written keeps the key busy for ever. Unmounted, it has no keys.
 */
static int unmount_broken_image(struct vp_data *d, const struct vp *v,
				struct data_mount *p, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];
	bool is_attached;
	int r;

	format_image(v, name);
	detach_data(d, v, p);
	r = data_image_is_attached(d->vps, name, &is_attached, e);
	return r == 0 && is_attached
		       ? err_set(e, EBUSY,
				 "unmount the data of VP %s: it is "
				 "still in use",
				 v->name)
		       : r;
}

int vp_data_evict_key(struct vp_data *d, const struct vp *v,
		      unsigned int *ret_keys, struct err *e)
{
	struct data_mount *p = v->number ? find_data_mount(d, v->number) : NULL;
	struct keyslots s;
	bool may = p;
	int r = p ? 0 : check_key_may_be_loaded(d, v, &may, e);

	*ret_keys = 0;
	if (r < 0 || !may)
		return r;
	if (!p) {
		r = vp_keys_read_slots(&d->keys, v, &s, e);
		if (r < 0) /* without slots there is no key either */
			return r == -ENOENT ? 0 : r;
		r = attach_vp_data(d, v, &s, &p, e);
		if (r < 0)
			return r;
		assert(p);
	}
	*ret_keys = fscrypt_has_key(p->root, p->id);
	if (has_image_error(d, v, p))
		return unmount_broken_image(d, v, p, e);
	/* It syncs first; what cannot be written keeps the key busy. */
	return fscrypt_remove_key(p->root, p->id, e);
}

void vp_data_close(struct vp_data *d, const struct vp *v)
{
	struct data_mount *p = v->number ? find_data_mount(d, v->number) : NULL;

	if (p)
		detach_data(d, v, p);
}

int vp_data_destroy_device_slot(struct vp_data *d, const struct vp *v,
				unsigned int *ret_slots, struct err *e)
{
	enum data_kind kind = NONE;
	struct keyslots s;
	int r = read_vp_keyslots(d, v, &kind, &s, e);

	*ret_slots = 0;
	if (r == -ENOENT && kind == NONE)
		return 0;
	return r < 0 ? r
		     : vp_keys_destroy_device_slot(&d->keys, v, &s, ret_slots,
						   e);
}

/* ---- unlocking */

int vp_data_check_secret(struct vp_data *d, const struct vp *v,
			 enum vp_keys_source by,
			 const struct secure_memory *secret, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *key = NULL;
	struct keyslots s;
	int r = vp_keys_read_slots(&d->keys, v, &s, e);

	if (r == -ENOENT)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: it has no passcode", v->name);
	return r < 0 ? r : vp_keys_unwrap(&d->keys, &s, by, secret, &key, e);
}

int vp_data_unlock(struct vp_data *d, const struct vp *v,
		   enum vp_keys_source by, const struct secure_memory *secret,
		   struct err *e)
{
	AUTO(secure_memory_freep)
	struct secure_memory *key = NULL, *none = NULL;
	struct data_mount *p = NULL;
	enum data_kind kind = NONE;
	struct keyslots s;
	int r = read_vp_keyslots(d, v, &kind, &s, e);

	if (r == -ENOENT && kind == NONE)
		return by == VP_KEYS_DEVICE
			       ? 0
			       : err_reason(e, REASON_PASSWORD,
					    "unlock VP %s: it has no passcode",
					    v->name);
	if (r == 0)
		r = secure_memory_new(&none, e);
	if (r == 0)
		r = vp_keys_unwrap(&d->keys, &s, by, secret, &key, e);
	if (r == 0 && kind != NONE)
		r = attach_vp_data(d, v, &s, &p, e);
	if (r == 0 && by == VP_KEYS_KEY)
		r = vp_keys_set_passcode(&d->keys, v, &s, key, none, e);
	if (r == 0)
		r = vp_keys_update_recovery(&d->keys, v, &s, key, e);
	return r < 0 || !p ? r : fscrypt_add_key(p->root, key, p->id, e);
}

int vp_data_set_passcode(struct vp_data *d, const struct vp *v,
			 const struct secure_memory *old,
			 const struct secure_memory *fresh, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *key = NULL;
	struct keyslots s;
	int r = create_vp_data(d, v, &s, e);

	if (r == 0)
		r = vp_keys_unwrap(&d->keys, &s,
				   keyslots_find_newest(&s, KEYSLOT_PASSCODE)
					   ? VP_KEYS_PASSCODE
					   : VP_KEYS_DEVICE,
				   old, &key, e);
	if (r == 0)
		r = vp_keys_update_recovery(&d->keys, v, &s, key, e);
	return r < 0 ? r : vp_keys_set_passcode(&d->keys, v, &s, key, fresh, e);
}

/* ---- the rest */

static int renew_recovery(struct vp_data *d, const struct vp *v, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *key = NULL;
	struct keyslots s;
	int r;

	/* Without a device slot it waits for the next unlock. */
	if (vp_keys_read_slots(&d->keys, v, &s, e) < 0 ||
	    vp_keys_is_recovery_current(v, &s) ||
	    !keyslots_find_newest(&s, KEYSLOT_DEVICE))
		return 0;
	r = vp_keys_unwrap(&d->keys, &s, VP_KEYS_DEVICE, NULL, &key, e);
	return r < 0 ? r : vp_keys_update_recovery(&d->keys, v, &s, key, e);
}

void vp_data_apply_properties(struct vp_data *d, const struct vp *v)
{
	struct data_mount *p = v->number ? find_data_mount(d, v->number) : NULL;
	char name[VP_KEYS_NAME_SIZE];
	struct err e;

	if (!v->number || !v->is_desired)
		return;
	format_image(v, name);
	if (p && p->is_data_image &&
	    (data_image_grow(d->vps, name, p->root, v->conf.storage_max, &e) <
		     0 ||
	     reserve_storage(d, v, &e) < 0))
		log_warning("data of VP %s: %s", v->name, e.text);
	if (renew_recovery(d, v, &e) < 0)
		log_warning("data of VP %s: %s", v->name, e.text);
}

bool vp_data_can_grow(struct vp_data *d, const struct vp *v,
		      uint64_t *ret_taken)
{
	char name[VP_KEYS_NAME_SIZE];
	bool grows;

	format_image(v, name);
	*ret_taken = data_image_get_usage(d->vps, name, &grows);
	/* Nobody counts what is in a folder: it may be the one that grows. */
	return grows || is_data_kind(d, v, FOLDER);
}

int vp_data_shred_slots(struct vp_data *d, const struct vp *v, struct err *e)
{
	return vp_keys_shred_slots(&d->keys, v, e);
}

static void fill_keyslot_info(const struct keyslots *s,
			      struct vp_data_info *ret)
{
	const struct keyslot *recovery =
		keyslots_find_newest(s, KEYSLOT_RECOVERY);

	encoding_to_hex(s->id, sizeof(s->id), ret->id);
	for (unsigned int i = 0; i < KEYSLOTS_PLACES; i++) {
		ret->has[s->place[i].type] = true;
		ret->n_slots += s->place[i].type != KEYSLOT_EMPTY;
	}
	if (!recovery)
		return;
	memcpy(ret->point, recovery->point, sizeof(ret->point));
	memcpy(ret->box, recovery->box, sizeof(ret->box));
}

void vp_data_get_info(struct vp_data *d, const struct vp *v,
		      struct vp_data_info *ret)
{
	enum data_kind kind = NONE;
	char name[VP_KEYS_NAME_SIZE];
	struct keyslots s;
	struct err ignored;

	memset(ret, 0, sizeof(*ret));
	format_image(v, name);
	if (get_data_kind(d, v, &kind, &ignored) < 0)
		snprintf(ret->medium, sizeof(ret->medium), "unknown");
	if (kind != NONE)
		snprintf(ret->medium, sizeof(ret->medium), "%s on %s",
			 kind == IMAGE ? "vault" : "folder",
			 get_filesystem_name(d->vps));
	if (vp_keys_read_slots(&d->keys, v, &s, &ignored) == 0)
		fill_keyslot_info(&s, ret);
	ret->open = is_data_open(d, v);
	ret->damaged = kind == IMAGE && data_image_has_error(d->vps, name);
	ret->too_large =
		v->conf.storage_max > 0 &&
		(kind == FOLDER ||
		 data_image_exceeds_limit(d->vps, name, v->conf.storage_max));
}
