/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp_data.h"

#include "cellsd/data_image.h"
#include "cellsd/disk.h"
#include "cellsd/fscrypt.h"
#include "cellsd/mount.h"
#include "cellsd/roster.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/secure_memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define VAULTS "vaults"
#define IN_VAULT "data"

/* A VP whose file system is at hand. */
struct place {
	uint32_t number; /* 0: free */
	int root;	 /* folder that the data folder lies in */
	bool is_vault;
	uint8_t id[SLOTS_ID_SIZE];
};

struct vpdata {
	struct vpkeys keys;
	int vps, vaults;  /* folders */
	bool has_fscrypt; /* where the state folder is */
	struct place place[ROSTER_VPS_MAX];
};

enum kind { NONE, FOLDER, VAULT };

/* Magic numbers of <linux/magic.h>. */
static const struct {
	long magic;
	const char *name;
} media[] = {
	{ EXT4_SUPER_MAGIC, "ext4" },	{ F2FS_SUPER_MAGIC, "f2fs" },
	{ BTRFS_SUPER_MAGIC, "btrfs" }, { XFS_SUPER_MAGIC, "xfs" },
	{ TMPFS_MAGIC, "tmpfs" },	{ OVERLAYFS_SUPER_MAGIC, "overlay" },
};

static const char *medium_of(int dir)
{
	struct statfs fs;

	for (size_t i = 0; fstatfs(dir, &fs) == 0 && i < ARRAY_SIZE(media); i++)
		if (media[i].magic == (long)fs.f_type)
			return media[i].name;
	return "unknown";
}

/* ---- names */

int vpdata_folder(const struct vpdata *d)
{
	return d->vps;
}

bool vpdata_has_fscrypt(const struct vpdata *d)
{
	return d->has_fscrypt;
}

static void vault_name(const struct vp *v, char ret[VPKEYS_NAME_SIZE])
{
	snprintf(ret, VPKEYS_NAME_SIZE, "%s.%u" VPDATA_VAULT, v->name,
		 v->number);
}

/* 1, 0 or -errno. */
static int exists(int dir, const char *name)
{
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int kind_of(const struct vpdata *d, const struct vp *v, enum kind *ret,
		   struct err *e)
{
	char name[VPKEYS_NAME_SIZE];
	enum kind kind = VAULT;
	int r;

	vault_name(v, name);
	r = exists(d->vps, name);
	if (r == 0) {
		kind = FOLDER;
		vpkeys_name(v, name);
		r = exists(d->vps, name);
	}
	if (r < 0)
		return err_sys(e, -r, "look for the data of VP %s", v->name);
	*ret = r ? kind : NONE;
	return 0;
}

/* What nobody can tell is of no kind. */
static bool is_kind(const struct vpdata *d, const struct vp *v, enum kind kind)
{
	enum kind found = NONE;
	struct err ignored;

	return kind_of(d, v, &found, &ignored) == 0 && found == kind;
}

/* The same, and its slots: -ENOENT, if it has none. */
static int read_slots(const struct vpdata *d, const struct vp *v,
		      enum kind *ret_kind, struct slots *ret, struct err *e)
{
	int r = kind_of(d, v, ret_kind, e);

	return r < 0 ? r : vpkeys_read(&d->keys, v, ret, e);
}

/* ---- open and close */

static int open_folder(int dir, const char *name, int *ret, struct err *e)
{
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make the folder %s", name);
	*ret = openat(dir, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, errno, "open the folder %s", name) : 0;
}

int vpdata_new(const char *state_dir, int stage, struct vpdata **ret,
	       struct err *e)
{
	AUTO(vpdata_freep) struct vpdata *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "open the VPs' data");
	d->keys = (struct vpkeys)VPKEYS_NONE;
	d->vps = d->vaults = -1;
	r = vpkeys_open(state_dir, &d->keys, e);
	if (r == 0)
		r = open_folder(d->keys.state, "vps", &d->vps, e);
	if (r == 0)
		r = open_folder(stage, VAULTS, &d->vaults, e);
	if (r < 0)
		return r;
	d->has_fscrypt = fscrypt_is_there(d->vps);
	*ret = steal(d);
	return 0;
}

void vpdata_free(struct vpdata *d)
{
	if (!d)
		return;
	for (unsigned int i = 0; i < ROSTER_VPS_MAX; i++)
		if (d->place[i].number)
			close(d->place[i].root);
	vpkeys_fini(&d->keys);
	auto_closep(&d->vps);
	auto_closep(&d->vaults);
	free(d);
}

/* ---- where a VP's file system is */

static struct place *find_place(struct vpdata *d, uint32_t number)
{
	for (unsigned int i = 0; i < ROSTER_VPS_MAX; i++)
		if (d->place[i].number == number)
			return &d->place[i];
	return NULL;
}

/* Is its storage set aside, or is that only a limit? Of a vault that was made
 * larger nobody asked to set aside all. */
static bool is_reserved(const struct vpdata *d, const struct vp *v,
			const char *name)
{
	return v->conf.storage_max > 0 && !v->conf.overcommit &&
	       !vault_exceeds(d->vps, name, v->conf.storage_max);
}

/* One that is still mounted somewhere cannot be mended. */
static int check_vault(struct vpdata *d, const char *name, struct err *e)
{
	bool is_attached;
	int r = vault_is_attached(d->vps, name, &is_attached, e);

	return r < 0 || is_attached ? r : vault_check(d->vps, name, e);
}

static int mount_vault(struct vpdata *d, const struct vp *v, int *ret,
		       struct err *e)
{
	char name[VPKEYS_NAME_SIZE];
	auto_close int mount = -1;
	int r;

	vault_name(v, name);
	r = check_vault(d, name, e);
	if (r == 0)
		r = vault_mount(d->vps, name, is_reserved(d, v, name), &mount,
				e);
	if (r < 0)
		return r;
	if (mkdirat(d->vaults, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make a mount point");
	r = mnt_attach(mount, d->vaults, name, e);
	return r < 0 ? r : open_folder(d->vaults, name, ret, e);
}

/* The VP must have data. */
static int attach(struct vpdata *d, const struct vp *v, const struct slots *s,
		  struct place **ret, struct err *e)
{
	struct place *p = find_place(d, v->number);
	enum kind kind;
	int r;

	if (p) {
		*ret = p;
		return 0;
	}
	r = kind_of(d, v, &kind, e);
	if (r < 0)
		return r;
	p = find_place(d, 0);
	if (!p)
		return err_set(e, EMFILE, "open the data of VP %s", v->name);
	if (kind == VAULT) {
		r = mount_vault(d, v, &p->root, e);
		if (r < 0)
			return r;
	} else {
		p->root = fcntl(d->vps, F_DUPFD_CLOEXEC, 3);
		if (p->root < 0)
			return err_sys(e, errno, "open the data of VP %s",
				       v->name);
	}
	p->is_vault = kind == VAULT;
	memcpy(p->id, s->id, sizeof(p->id));
	p->number = v->number;
	*ret = p;
	return 0;
}

static void detach(struct vpdata *d, const struct vp *v, struct place *p)
{
	char name[VPKEYS_NAME_SIZE];

	close(p->root);
	if (p->is_vault) {
		vault_name(v, name);
		mnt_detach(d->vaults, name);
		unlinkat(d->vaults, name, AT_REMOVEDIR);
	}
	memset(p, 0, sizeof(*p));
}

/* ---- opening */

/* Slots and, where the data needs one, a vault. */
static int make(struct vpdata *d, const struct vp *v, struct slots *ret,
		struct err *e)
{
	char name[VPKEYS_NAME_SIZE];
	enum kind kind = NONE;
	int r = read_slots(d, v, &kind, ret, e);

	if (r == -ENOENT && kind == NONE)
		r = vpkeys_make(&d->keys, v, ret, e);
	if (r < 0 || kind != NONE || (d->has_fscrypt && !v->conf.storage_max))
		return r;
	vault_name(v, name);
	return vault_make(d->vps, name, v->conf.storage_max, e);
}

static int give_key(struct vpdata *d, const struct vp *v, const struct place *p,
		    const struct slots *s, struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	int r;

	if (fscrypt_has(p->root, p->id))
		return 0;
	r = vpkeys_find(&d->keys, s, VPKEYS_DEVICE, NULL, &key, e);
	return r < 0 ? r : fscrypt_add(p->root, key, p->id, e);
}

static int open_data(const struct vp *v, const struct place *p, int *ret,
		     struct err *e)
{
	char name[VPKEYS_NAME_SIZE] = IN_VAULT;
	auto_close int fd = -1;
	int r;

	if (!p->is_vault)
		vpkeys_name(v, name);
	r = open_folder(p->root, name, &fd, e);
	if (r == 0)
		r = fscrypt_protect(fd, p->id, e);
	if (r < 0)
		return r;
	if ((mkdirat(fd, "upper", 0755) < 0 && errno != EEXIST) ||
	    (mkdirat(fd, "work", 0755) < 0 && errno != EEXIST))
		return err_sys(e, errno, "make the data folders of VP %s",
			       v->name);
	*ret = steal_fd(fd);
	return 0;
}

static bool is_broken(const struct vpdata *d, const struct vp *v,
		      const struct place *p)
{
	char name[VPKEYS_NAME_SIZE];

	vault_name(v, name);
	return p->is_vault && vault_has_error(d->vps, name);
}

/* After an error the kernel writes nothing more to it until it is mended. */
static int mount_again(struct vpdata *d, const struct vp *v,
		       const struct slots *s, struct err *e)
{
	struct place *p = find_place(d, v->number);

	if (!p || !is_broken(d, v, p))
		return 0;
	if (!slots_find(s, SLOT_DEVICE))
		return err_reason(e, REASON_VP_STATE,
				  "start VP %s: its file system had an error; "
				  "lock it and unlock it",
				  v->name);
	log_warning("VP %s: its file system had an error: mending it", v->name);
	detach(d, v, p);
	return 0;
}

static int reserve(struct vpdata *d, const struct vp *v, struct err *e)
{
	char name[VPKEYS_NAME_SIZE];

	vault_name(v, name);
	return is_kind(d, v, VAULT) && is_reserved(d, v, name)
		       ? vault_reserve(d->vps, name, e)
		       : 0;
}

int vpdata_open(struct vpdata *d, const struct vp *v, int *ret, struct err *e)
{
	struct slots s;
	struct place *p;
	int r = make(d, v, &s, e);

	if (r == 0)
		r = reserve(d, v, e);
	if (r == 0)
		r = mount_again(d, v, &s, e);
	if (r == 0)
		r = attach(d, v, &s, &p, e);
	if (r == 0)
		r = give_key(d, v, p, &s, e);
	if (r == 0)
		r = open_data(v, p, ret, e);
	if (r < 0 && e->reason == REASON_PASSWORD)
		e->reason = REASON_VP_STATE;
	return r;
}

void vpdata_adopt(struct vpdata *d, const struct vp *v)
{
	struct place *p;
	struct slots s;
	struct err e;
	int r = vpkeys_read(&d->keys, v, &s, &e);

	if (r == 0)
		r = attach(d, v, &s, &p, &e);
	if (r < 0)
		log_warning("data of VP %s: %s", v->name, e.text);
}

/*
 * Not the disk below a vault: all that the VP writes has to pass the loop
 * device, where it waits in its own file system. Held back below, it would keep
 * the host's journal waiting, and everybody with it.
 */
dev_t vpdata_disk(struct vpdata *d, const struct vp *v)
{
	struct place *p = v->number ? find_place(d, v->number) : NULL;
	struct stat st;

	return p && fstat(p->root, &st) == 0 ? disk_whole(st.st_dev) : 0;
}

bool vpdata_is_open(struct vpdata *d, const struct vp *v)
{
	struct place *p = v->number ? find_place(d, v->number) : NULL;
	struct slots s;
	struct err ignored;

	if (p)
		return fscrypt_has(p->root, p->id);
	return is_kind(d, v, FOLDER) &&
	       vpkeys_read(&d->keys, v, &s, &ignored) == 0 &&
	       fscrypt_has(d->vps, s.id);
}

bool vpdata_can_open(struct vpdata *d, const struct vp *v)
{
	struct slots s;
	struct err ignored;
	int r = vpkeys_read(&d->keys, v, &s, &ignored);

	if (r < 0)
		return r == -ENOENT && is_kind(d, v, NONE);
	return slots_find(&s, SLOT_DEVICE) || vpdata_is_open(d, v);
}

bool vpdata_is_at_hand(struct vpdata *d, const struct vp *v)
{
	enum kind kind = NONE;
	struct err ignored;

	return kind_of(d, v, &kind, &ignored) == 0 && kind != NONE &&
	       vpdata_can_open(d, v);
}

/* ---- locking */

/* Of a VP that is not at hand. A vault that is nowhere mounted has none. */
static int may_have_key(struct vpdata *d, const struct vp *v, bool *ret,
			struct err *e)
{
	char name[VPKEYS_NAME_SIZE];
	enum kind kind;
	int r = kind_of(d, v, &kind, e);

	if (r < 0)
		return r;
	vault_name(v, name);
	if (kind == VAULT)
		return vault_is_attached(d->vps, name, ret, e);
	*ret = kind != NONE;
	return 0;
}

/*
 * A file system that had an error writes nothing any more, so what is to be
 * written keeps the key busy for ever. Unmounted, it has no keys.
 */
static int unmount_broken(struct vpdata *d, const struct vp *v, struct place *p,
			  struct err *e)
{
	char name[VPKEYS_NAME_SIZE];
	bool is_attached;
	int r;

	vault_name(v, name);
	detach(d, v, p);
	r = vault_is_attached(d->vps, name, &is_attached, e);
	return r == 0 && is_attached
		       ? err_set(e, EBUSY,
				 "unmount the data of VP %s: it is "
				 "still in use",
				 v->name)
		       : r;
}

int vpdata_evict(struct vpdata *d, const struct vp *v, unsigned int *ret_keys,
		 struct err *e)
{
	struct place *p = v->number ? find_place(d, v->number) : NULL;
	struct slots s;
	bool may = p;
	int r = p ? 0 : may_have_key(d, v, &may, e);

	*ret_keys = 0;
	if (r < 0 || !may)
		return r;
	if (!p) {
		r = vpkeys_read(&d->keys, v, &s, e);
		if (r < 0) /* without slots there is no key either */
			return r == -ENOENT ? 0 : r;
		r = attach(d, v, &s, &p, e);
		if (r < 0)
			return r;
		assert(p);
	}
	*ret_keys = fscrypt_has(p->root, p->id);
	if (is_broken(d, v, p))
		return unmount_broken(d, v, p, e);
	/* It syncs first; what cannot be written keeps the key busy. */
	return fscrypt_remove(p->root, p->id, e);
}

void vpdata_close(struct vpdata *d, const struct vp *v)
{
	struct place *p = v->number ? find_place(d, v->number) : NULL;

	if (p)
		detach(d, v, p);
}

int vpdata_bar(struct vpdata *d, const struct vp *v, unsigned int *ret_slots,
	       struct err *e)
{
	enum kind kind = NONE;
	struct slots s;
	int r = read_slots(d, v, &kind, &s, e);

	*ret_slots = 0;
	if (r == -ENOENT && kind == NONE)
		return 0;
	return r < 0 ? r : vpkeys_bar(&d->keys, v, &s, ret_slots, e);
}

/* ---- unlocking */

int vpdata_check(struct vpdata *d, const struct vp *v, enum vpkeys_by by,
		 const struct secret *secret, struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct slots s;
	int r = vpkeys_read(&d->keys, v, &s, e);

	if (r == -ENOENT)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: it has no passcode", v->name);
	return r < 0 ? r : vpkeys_find(&d->keys, &s, by, secret, &key, e);
}

int vpdata_unlock(struct vpdata *d, const struct vp *v, enum vpkeys_by by,
		  const struct secret *secret, struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL, *none = NULL;
	struct place *p = NULL;
	enum kind kind = NONE;
	struct slots s;
	int r = read_slots(d, v, &kind, &s, e);

	if (r == -ENOENT && kind == NONE)
		return by == VPKEYS_DEVICE
			       ? 0
			       : err_reason(e, REASON_PASSWORD,
					    "unlock VP %s: it has no passcode",
					    v->name);
	if (r == 0)
		r = secret_new(&none, e);
	if (r == 0)
		r = vpkeys_find(&d->keys, &s, by, secret, &key, e);
	if (r == 0 && kind != NONE)
		r = attach(d, v, &s, &p, e);
	if (r == 0 && by == VPKEYS_KEY)
		r = vpkeys_set_passcode(&d->keys, v, &s, key, none, e);
	if (r == 0)
		r = vpkeys_settle(&d->keys, v, &s, key, e);
	return r < 0 || !p ? r : fscrypt_add(p->root, key, p->id, e);
}

int vpdata_set_passcode(struct vpdata *d, const struct vp *v,
			const struct secret *old, const struct secret *fresh,
			struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct slots s;
	int r = make(d, v, &s, e);

	if (r == 0)
		r = vpkeys_find(&d->keys, &s,
				slots_find(&s, SLOT_PASSCODE) ? VPKEYS_PASSCODE
							      : VPKEYS_DEVICE,
				old, &key, e);
	if (r == 0)
		r = vpkeys_settle(&d->keys, v, &s, key, e);
	return r < 0 ? r : vpkeys_set_passcode(&d->keys, v, &s, key, fresh, e);
}

/* ---- the rest */

static int settle_slots(struct vpdata *d, const struct vp *v, struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct slots s;
	int r;

	/* Without a device slot it waits for the next unlock. */
	if (vpkeys_read(&d->keys, v, &s, e) < 0 || vpkeys_is_settled(v, &s) ||
	    !slots_find(&s, SLOT_DEVICE))
		return 0;
	r = vpkeys_find(&d->keys, &s, VPKEYS_DEVICE, NULL, &key, e);
	return r < 0 ? r : vpkeys_settle(&d->keys, v, &s, key, e);
}

void vpdata_settle(struct vpdata *d, const struct vp *v)
{
	struct place *p = v->number ? find_place(d, v->number) : NULL;
	char name[VPKEYS_NAME_SIZE];
	struct err e;

	if (!v->number || !v->named)
		return;
	vault_name(v, name);
	if (p && p->is_vault &&
	    (vault_grow(d->vps, name, p->root, v->conf.storage_max, &e) < 0 ||
	     reserve(d, v, &e) < 0))
		log_warning("data of VP %s: %s", v->name, e.text);
	if (settle_slots(d, v, &e) < 0)
		log_warning("data of VP %s: %s", v->name, e.text);
}

bool vpdata_grows(struct vpdata *d, const struct vp *v, uint64_t *ret_taken)
{
	char name[VPKEYS_NAME_SIZE];
	bool grows;

	vault_name(v, name);
	*ret_taken = vault_taken(d->vps, name, &grows);
	/* Nobody counts what is in a folder: it may be the one that grows. */
	return grows || is_kind(d, v, FOLDER);
}

int vpdata_shred(struct vpdata *d, const struct vp *v, struct err *e)
{
	return vpkeys_shred(&d->keys, v, e);
}

static void tell_slots(const struct slots *s, struct vpdata_info *ret)
{
	const struct slot *recovery = slots_find(s, SLOT_RECOVERY);

	text_hex(s->id, sizeof(s->id), ret->id);
	for (unsigned int i = 0; i < SLOTS_PLACES; i++) {
		ret->has[s->place[i].type] = true;
		ret->n_slots += s->place[i].type != SLOT_EMPTY;
	}
	if (!recovery)
		return;
	memcpy(ret->point, recovery->point, sizeof(ret->point));
	memcpy(ret->box, recovery->box, sizeof(ret->box));
}

void vpdata_tell(struct vpdata *d, const struct vp *v, struct vpdata_info *ret)
{
	enum kind kind = NONE;
	char name[VPKEYS_NAME_SIZE];
	struct slots s;
	struct err ignored;

	memset(ret, 0, sizeof(*ret));
	vault_name(v, name);
	if (kind_of(d, v, &kind, &ignored) < 0)
		snprintf(ret->medium, sizeof(ret->medium), "unknown");
	if (kind != NONE)
		snprintf(ret->medium, sizeof(ret->medium), "%s on %s",
			 kind == VAULT ? "vault" : "folder", medium_of(d->vps));
	if (vpkeys_read(&d->keys, v, &s, &ignored) == 0)
		tell_slots(&s, ret);
	ret->open = vpdata_is_open(d, v);
	ret->damaged = kind == VAULT && vault_has_error(d->vps, name);
	ret->too_large = v->conf.storage_max > 0 &&
			 (kind == FOLDER ||
			  vault_exceeds(d->vps, name, v->conf.storage_max));
}
