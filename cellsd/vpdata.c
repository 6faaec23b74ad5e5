/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vpdata.h"

#include "cellsd/fscrypt.h"
#include "cellsd/mnt.h"
#include "cellsd/roster.h"
#include "cellsd/slotfile.h"
#include "cellsd/vault.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define DEVICE_KEY "device.key"
#define DEVICE_KEY_SIZE 32
#define VAULTS "vaults"
#define IN_VAULT "data"
#define SECRETS "secrets"

/* A VP whose file system is at hand. */
struct place {
	uint32_t number; /* 0: free */
	int root;	 /* folder that the data folder lies in */
	bool is_vault;
	uint8_t id[SLOTS_ID_SIZE];
};

struct vpdata {
	int state, vps, keys, vaults; /* folders */
	bool has_fscrypt;	      /* where the state folder is */
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

void vpdata_name(const struct vp *v, char ret[VPDATA_NAME_SIZE])
{
	snprintf(ret, VPDATA_NAME_SIZE, "%s.%u", v->name, v->number);
}

int vpdata_folder(const struct vpdata *d)
{
	return d->vps;
}

static void vault_name(const struct vp *v, char ret[VPDATA_NAME_SIZE])
{
	snprintf(ret, VPDATA_NAME_SIZE, "%s.%u" VPDATA_VAULT, v->name,
		 v->number);
}

static bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum kind kind_of(const struct vpdata *d, const struct vp *v)
{
	char name[VPDATA_NAME_SIZE];

	vault_name(v, name);
	if (exists(d->vps, name))
		return VAULT;
	vpdata_name(v, name);
	return exists(d->vps, name) ? FOLDER : NONE;
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

static int make_device_key(const char *state_dir, int state, struct err *e)
{
	auto_free char *path = io_join(state_dir, DEVICE_KEY);
	uint8_t key[DEVICE_KEY_SIZE];
	int r;

	if (exists(state, DEVICE_KEY))
		return 0;
	if (!path)
		return err_oom(e, "make the device's key");
	hash_random(key, sizeof(key));
	r = io_replace_file(path, key, sizeof(key), 0600, e);
	explicit_bzero(key, sizeof(key));
	return r;
}

int vpdata_new(const char *state_dir, int stage, struct vpdata **ret,
	       struct err *e)
{
	AUTO(vpdata_freep) struct vpdata *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "open the VPs' data");
	d->vps = d->keys = d->vaults = -1;
	d->state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->state < 0)
		return err_sys(e, errno, "open %s", state_dir);
	r = open_folder(d->state, "vps", &d->vps, e);
	if (r == 0)
		r = open_folder(d->state, "keys", &d->keys, e);
	if (r == 0)
		r = open_folder(stage, VAULTS, &d->vaults, e);
	if (r == 0)
		r = make_device_key(state_dir, d->state, e);
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
	auto_closep(&d->state);
	auto_closep(&d->vps);
	auto_closep(&d->keys);
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

static int mount_vault(struct vpdata *d, const struct vp *v, int *ret,
		       struct err *e)
{
	char name[VPDATA_NAME_SIZE];
	auto_close int mount = -1;
	int r;

	vault_name(v, name);
	r = vault_mount(d->vps, name, &mount, e);
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
	enum kind kind = kind_of(d, v);
	int r;

	if (p) {
		*ret = p;
		return 0;
	}
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
	char name[VPDATA_NAME_SIZE];

	close(p->root);
	if (p->is_vault) {
		vault_name(v, name);
		mnt_detach(d->vaults, name);
		unlinkat(d->vaults, name, AT_REMOVEDIR);
	}
	memset(p, 0, sizeof(*p));
}

/* ---- slots */

static int read_slots(struct vpdata *d, const struct vp *v, struct slots *ret,
		      struct err *e)
{
	char name[VPDATA_NAME_SIZE];
	int r;

	vpdata_name(v, name);
	r = slotfile_read(d->keys, name, ret, e);
	if (r == 0 &&
	    (strcmp(ret->vp, v->name) != 0 || ret->number != v->number))
		return err_set(e, EBADMSG, "read the slots %s: of another VP",
			       name);
	return r;
}

static int put_slot(struct vpdata *d, const struct vp *v, struct slots *s,
		    const struct slot *p, struct err *e)
{
	char name[VPDATA_NAME_SIZE];

	vpdata_name(v, name);
	return slotfile_put(d->keys, name, s, p, e);
}

static int drop_slots(struct vpdata *d, const struct vp *v, struct slots *s,
		      enum slot_type t, unsigned int *ret_n, struct err *e)
{
	char name[VPDATA_NAME_SIZE];

	vpdata_name(v, name);
	return slotfile_destroy(d->keys, name, s, t, ret_n, e);
}

static int read_device_key(const struct vpdata *d, struct secret **ret,
			   struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	auto_close int fd =
		openat(d->state, DEVICE_KEY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r = secret_new(&key, e);

	if (r < 0)
		return r;
	if (fd < 0)
		return err_sys(e, errno, "open the device's key");
	if (read(fd, key->bytes, DEVICE_KEY_SIZE) != DEVICE_KEY_SIZE)
		return err_set(e, EBADMSG, "read the device's key");
	key->len = DEVICE_KEY_SIZE;
	*ret = steal(key);
	return 0;
}

static int wrap_for_device(const struct vpdata *d, const struct slots *s,
			   const struct secret *key, struct slot *ret,
			   struct err *e)
{
	AUTO(secret_freep) struct secret *device = NULL;
	int r = read_device_key(d, &device, e);

	return r < 0 ? r : slots_wrap_device(s, device, key, ret, e);
}

/* *ret: the VP's key, by its device slot. */
static int unwrap_by_device(const struct vpdata *d, const struct slots *s,
			    struct secret **ret, struct err *e)
{
	AUTO(secret_freep) struct secret *device = NULL, *key = NULL;
	int r = read_device_key(d, &device, e);

	if (r == 0)
		r = secret_new(&key, e);
	if (r == 0)
		r = slots_unwrap_device(s, device, key, e);
	if (r < 0)
		return r;
	*ret = steal(key);
	return 0;
}

/* Text of vp_conf_check()'s making: hex, or "". */
static bool wanted_point(const struct vp *v, uint8_t ret[BOX_POINT_SIZE])
{
	return text_unhex(v->conf.recovery, ret, BOX_POINT_SIZE) == 0;
}

static bool has_right_recovery(const struct vp *v, const struct slots *s)
{
	const struct slot *held = slots_find(s, SLOT_RECOVERY);
	uint8_t point[BOX_POINT_SIZE];

	if (!wanted_point(v, point))
		return !held;
	return held && memcmp(held->point, point, sizeof(point)) == 0;
}

/* The recovery slot follows the organisation's key. */
static int renew_recovery(struct vpdata *d, const struct vp *v, struct slots *s,
			  const struct secret *key, struct err *e)
{
	uint8_t point[BOX_POINT_SIZE];
	struct slot fresh;
	int r;

	if (has_right_recovery(v, s))
		return 0;
	if (!wanted_point(v, point))
		return drop_slots(d, v, s, SLOT_RECOVERY, NULL, e);
	r = slots_wrap_recovery(s, point, key, &fresh, e);
	return r < 0 ? r : put_slot(d, v, s, &fresh, e);
}

/* A new key, in a device slot, and in a recovery slot if there is to be one. */
static int make_slots(struct vpdata *d, const struct vp *v, struct slots *ret,
		      struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct slots s = { .number = v->number };
	char name[VPDATA_NAME_SIZE];
	uint8_t point[BOX_POINT_SIZE];
	int r = secret_new(&key, e);

	if (r < 0)
		return r;
	snprintf(s.vp, sizeof(s.vp), "%s", v->name);
	hash_random(key->bytes, SLOTS_KEY_SIZE);
	key->len = SLOTS_KEY_SIZE;
	r = slots_identify(key, s.id, e);
	if (r == 0)
		r = wrap_for_device(d, &s, key, &s.place[0], e);
	if (r == 0 && wanted_point(v, point))
		r = slots_wrap_recovery(&s, point, key, &s.place[1], e);
	vpdata_name(v, name);
	if (r == 0)
		r = slotfile_make(d->keys, name, &s, e);
	if (r == 0)
		*ret = s;
	return r;
}

/* ---- opening */

/* Slots and, where the data needs one, a vault. */
static int make(struct vpdata *d, const struct vp *v, struct slots *ret,
		struct err *e)
{
	char name[VPDATA_NAME_SIZE];
	enum kind kind = kind_of(d, v);
	int r = read_slots(d, v, ret, e);

	if (r == -ENOENT && kind == NONE)
		r = make_slots(d, v, ret, e);
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
	r = unwrap_by_device(d, s, &key, e);
	return r < 0 ? r : fscrypt_add(p->root, key, p->id, e);
}

static int open_data(const struct vp *v, const struct place *p, int *ret,
		     struct err *e)
{
	char name[VPDATA_NAME_SIZE] = IN_VAULT;
	auto_close int fd = -1;
	int r;

	if (!p->is_vault)
		vpdata_name(v, name);
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

int vpdata_open(struct vpdata *d, const struct vp *v, int *ret, struct err *e)
{
	struct slots s;
	struct place *p;
	int r = make(d, v, &s, e);

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

bool vpdata_is_open(struct vpdata *d, const struct vp *v)
{
	struct place *p = v->number ? find_place(d, v->number) : NULL;
	struct slots s;
	struct err ignored;

	if (p)
		return fscrypt_has(p->root, p->id);
	return kind_of(d, v) == FOLDER && read_slots(d, v, &s, &ignored) == 0 &&
	       fscrypt_has(d->vps, s.id);
}

bool vpdata_can_open(struct vpdata *d, const struct vp *v)
{
	struct slots s;
	struct err ignored;
	int r = read_slots(d, v, &s, &ignored);

	if (r < 0)
		return r == -ENOENT && kind_of(d, v) == NONE;
	return slots_find(&s, SLOT_DEVICE) || vpdata_is_open(d, v);
}

/* ---- locking */

int vpdata_evict(struct vpdata *d, const struct vp *v, unsigned int *ret_keys,
		 struct err *e)
{
	enum kind kind = kind_of(d, v);
	char name[VPDATA_NAME_SIZE];
	struct place *p;
	struct slots s;
	int r;

	*ret_keys = 0;
	p = find_place(d, v->number);
	vault_name(v, name);
	/* A vault that is nowhere mounted has no key in the kernel. */
	if (kind == NONE ||
	    (!p && kind == VAULT && !vault_is_attached(d->vps, name)))
		return 0;
	if (!p) {
		r = read_slots(d, v, &s, e);
		if (r == 0)
			r = attach(d, v, &s, &p, e);
		if (r < 0) /* without slots there is no key either */
			return r == -ENOENT ? 0 : r;
	}
	*ret_keys = fscrypt_has(p->root, p->id);
	if (syncfs(p->root) < 0)
		return err_sys(e, errno, "sync the data of VP %s", v->name);
	r = fscrypt_remove(p->root, p->id, e);
	if (r == 0)
		detach(d, v, p);
	return r;
}

int vpdata_bar(struct vpdata *d, const struct vp *v, unsigned int *ret_slots,
	       struct err *e)
{
	struct slots s;
	int r = read_slots(d, v, &s, e);

	*ret_slots = 0;
	if (r == -ENOENT && kind_of(d, v) == NONE)
		return 0;
	if (r < 0 || !slots_find(&s, SLOT_RECOVERY))
		return r;
	return drop_slots(d, v, &s, SLOT_DEVICE, ret_slots, e);
}

/* ---- unlocking */

static int take_key(const struct slots *s, const struct secret *given,
		    struct secret *key, struct err *e)
{
	uint8_t id[SLOTS_ID_SIZE];
	int r;

	if (given->len != SLOTS_KEY_SIZE)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: a key has %d bytes", s->vp,
				  SLOTS_KEY_SIZE);
	r = slots_identify(given, id, e);
	if (r < 0)
		return r;
	if (memcmp(id, s->id, sizeof(id)) != 0)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: the key is not this one's",
				  s->vp);
	memcpy(key->bytes, given->bytes, given->len);
	key->len = given->len;
	return 0;
}

static int find_key(struct vpdata *d, const struct slots *s, enum vpdata_by by,
		    const struct secret *given, struct secret **ret,
		    struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	int r;

	if (by == VPDATA_DEVICE)
		return unwrap_by_device(d, s, ret, e);
	r = secret_new(&key, e);
	if (r == 0)
		r = by == VPDATA_PASSCODE
			    ? slots_unwrap_passcode(s, given, key, e)
			    : take_key(s, given, key, e);
	if (r < 0)
		return r;
	*ret = steal(key);
	return 0;
}

/* From now on it opens by itself. */
static int without_passcode(struct vpdata *d, const struct vp *v,
			    struct slots *s, const struct secret *key,
			    struct err *e)
{
	struct slot fresh;
	int r = wrap_for_device(d, s, key, &fresh, e);

	if (r == 0)
		r = put_slot(d, v, s, &fresh, e);
	return r < 0 ? r : drop_slots(d, v, s, SLOT_PASSCODE, NULL, e);
}

int vpdata_unlock(struct vpdata *d, const struct vp *v, enum vpdata_by by,
		  const struct secret *secret, struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct place *p = NULL;
	struct slots s;
	int r = read_slots(d, v, &s, e);

	if (r == -ENOENT && kind_of(d, v) == NONE)
		return by == VPDATA_DEVICE
			       ? 0
			       : err_reason(e, REASON_PASSWORD,
					    "unlock VP %s: it has no passcode",
					    v->name);
	if (r == 0)
		r = find_key(d, &s, by, secret, &key, e);
	if (r == 0 && kind_of(d, v) != NONE)
		r = attach(d, v, &s, &p, e);
	if (r == 0 && by == VPDATA_KEY)
		r = without_passcode(d, v, &s, key, e);
	if (r == 0)
		r = renew_recovery(d, v, &s, key, e);
	return r < 0 || !p ? r : fscrypt_add(p->root, key, p->id, e);
}

int vpdata_set_passcode(struct vpdata *d, const struct vp *v,
			const struct secret *old, const struct secret *fresh,
			struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct slot slot;
	struct slots s;
	int r = make(d, v, &s, e);

	if (r == 0)
		r = find_key(d, &s,
			     slots_find(&s, SLOT_PASSCODE) ? VPDATA_PASSCODE
							   : VPDATA_DEVICE,
			     old, &key, e);
	if (r == 0)
		r = renew_recovery(d, v, &s, key, e);
	if (r < 0)
		return r;
	if (fresh->len == 0)
		return without_passcode(d, v, &s, key, e);
	r = slots_wrap_passcode(&s, fresh, key, &slot, e);
	if (r == 0)
		r = put_slot(d, v, &s, &slot, e);
	return r < 0 ? r : drop_slots(d, v, &s, SLOT_DEVICE, NULL, e);
}

/* ---- the rest */

static int settle(struct vpdata *d, const struct vp *v, struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct place *p = find_place(d, v->number);
	char name[VPDATA_NAME_SIZE];
	struct slots s;
	int r;

	vault_name(v, name);
	if (p && p->is_vault) {
		r = vault_grow(d->vps, name, p->root, v->conf.storage_max, e);
		if (r < 0)
			return r;
	}
	/* Without a device slot it waits for the next unlock. */
	if (read_slots(d, v, &s, e) < 0 || has_right_recovery(v, &s) ||
	    !slots_find(&s, SLOT_DEVICE))
		return 0;
	r = unwrap_by_device(d, &s, &key, e);
	return r < 0 ? r : renew_recovery(d, v, &s, key, e);
}

void vpdata_settle(struct vpdata *d, const struct vp *v)
{
	struct err e;

	if (v->number && v->named && settle(d, v, &e) < 0)
		log_warning("data of VP %s: %s", v->name, e.text);
}

int vpdata_shred(struct vpdata *d, const struct vp *v, struct err *e)
{
	char name[VPDATA_NAME_SIZE];

	vpdata_name(v, name);
	return slotfile_shred(d->keys, name, e);
}

int vpdata_put_secrets(struct vpdata *d, const struct vp *v, const void *data,
		       size_t len, struct err *e)
{
	auto_close int dir = -1, fd = -1;
	int r = vpdata_open(d, v, &dir, e);

	if (r < 0)
		return r;
	fd = openat(dir, SECRETS ".new",
		    O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "keep secrets of VP %s", v->name);
	r = io_write_all(fd, data, len);
	if (r < 0)
		return err_sys(e, -r, "keep secrets of VP %s", v->name);
	if (fsync(fd) < 0 || renameat(dir, SECRETS ".new", dir, SECRETS) < 0 ||
	    fsync(dir) < 0)
		return err_sys(e, errno, "keep secrets of VP %s", v->name);
	return 0;
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
	enum kind kind = kind_of(d, v);
	char name[VPDATA_NAME_SIZE];
	struct slots s;
	struct err ignored;

	memset(ret, 0, sizeof(*ret));
	vault_name(v, name);
	if (kind != NONE)
		snprintf(ret->medium, sizeof(ret->medium), "%s on %s",
			 kind == VAULT ? "vault" : "folder", medium_of(d->vps));
	if (read_slots(d, v, &s, &ignored) == 0)
		tell_slots(&s, ret);
	ret->open = vpdata_is_open(d, v);
	ret->too_large = v->conf.storage_max > 0 &&
			 (kind == FOLDER ||
			  vault_exceeds(d->vps, name, v->conf.storage_max));
}
