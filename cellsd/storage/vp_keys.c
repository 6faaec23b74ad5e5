/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/vp_keys.h"

#include "cellsd/storage/keyslot_file.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secure_memory.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEVICE_KEY "device.key"
#define DEVICE_KEY_SIZE 32

void vp_keys_format_name(const struct vp *v, char ret[VP_KEYS_NAME_SIZE])
{
	snprintf(ret, VP_KEYS_NAME_SIZE, "%s.%u", v->name, v->number);
}

/* ---- open and close */

static int create_device_key(int state, struct err *e)
{
	uint8_t key[DEVICE_KEY_SIZE];
	int r;

	if (faccessat(state, DEVICE_KEY, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, errno, "look for the device's key");
	hash_random(key, sizeof(key));
	r = io_make_file(state, DEVICE_KEY, key, sizeof(key), e);
	explicit_bzero(key, sizeof(key));
	return r;
}

int vp_keys_open(const char *state_dir, struct vp_keys *ret, struct err *e)
{
	ret->state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->state < 0)
		return err_sys(e, errno, "open %s", state_dir);
	if (mkdirat(ret->state, "keys", 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make %s/keys", state_dir);
	ret->keys = openat(ret->state, "keys",
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ret->keys < 0)
		return err_sys(e, errno, "open %s/keys", state_dir);
	return create_device_key(ret->state, e);
}

void vp_keys_fini(struct vp_keys *k)
{
	auto_closep(&k->state);
	auto_closep(&k->keys);
}

/* ---- slots */

int vp_keys_read_slots(const struct vp_keys *k, const struct vp *v,
		       struct keyslots *ret, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];
	int r;

	vp_keys_format_name(v, name);
	r = keyslot_file_read(k->keys, name, ret, e);
	if (r == 0 &&
	    (strcmp(ret->vp, v->name) != 0 || ret->number != v->number))
		return err_set(e, EBADMSG, "read the slots %s: of another VP",
			       name);
	return r;
}

static int write_vp_keyslot(const struct vp_keys *k, const struct vp *v,
			    struct keyslots *s, const struct keyslot *p,
			    struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];

	vp_keys_format_name(v, name);
	return keyslot_file_replace_slot(k->keys, name, s, p, e);
}

static int destroy_vp_keyslots(const struct vp_keys *k, const struct vp *v,
			       struct keyslots *s, enum keyslot_type t,
			       unsigned int *ret_n, struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];

	vp_keys_format_name(v, name);
	return keyslot_file_destroy_slots(k->keys, name, s, t, ret_n, e);
}

static int read_device_key(const struct vp_keys *k, struct secure_memory **ret,
			   struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *key = NULL;
	auto_close int fd =
		openat(k->state, DEVICE_KEY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r = secure_memory_new(&key, e);

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

static int wrap_key_for_device(const struct vp_keys *k,
			       const struct keyslots *s,
			       const struct secure_memory *key,
			       struct keyslot *ret, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *device = NULL;
	int r = read_device_key(k, &device, e);

	return r < 0 ? r : keyslots_wrap_device(s, device, key, ret, e);
}

/* *ret: the VP's key, by its device slot. */
static int unwrap_key_by_device(const struct vp_keys *k,
				const struct keyslots *s,
				struct secure_memory **ret, struct err *e)
{
	AUTO(secure_memory_freep)
	struct secure_memory *device = NULL, *key = NULL;
	int r = read_device_key(k, &device, e);

	if (r == 0)
		r = secure_memory_new(&key, e);
	if (r == 0)
		r = keyslots_unwrap_device(s, device, key, e);
	if (r < 0)
		return r;
	*ret = steal(key);
	return 0;
}

/* Text of vp_conf_check()'s making: hex, or "". */
static bool has_recovery_point(const struct vp *v,
			       uint8_t ret[HPKE_PUBLIC_KEY_SIZE])
{
	return encoding_from_hex(v->conf.recovery, ret, HPKE_PUBLIC_KEY_SIZE) ==
	       0;
}

bool vp_keys_is_recovery_current(const struct vp *v, const struct keyslots *s)
{
	const struct keyslot *held = keyslots_find_newest(s, KEYSLOT_RECOVERY);
	uint8_t point[HPKE_PUBLIC_KEY_SIZE];

	if (!has_recovery_point(v, point))
		return !held;
	return held && memcmp(held->point, point, sizeof(point)) == 0;
}

/* The recovery slot follows the organisation's key. */
int vp_keys_update_recovery(const struct vp_keys *k, const struct vp *v,
			    struct keyslots *s, const struct secure_memory *key,
			    struct err *e)
{
	uint8_t point[HPKE_PUBLIC_KEY_SIZE];
	struct keyslot fresh;
	int r;

	if (vp_keys_is_recovery_current(v, s))
		return 0;
	if (!has_recovery_point(v, point))
		return destroy_vp_keyslots(k, v, s, KEYSLOT_RECOVERY, NULL, e);
	r = keyslots_wrap_recovery(s, point, key, &fresh, e);
	return r < 0 ? r : write_vp_keyslot(k, v, s, &fresh, e);
}

/* A new key, in a device slot, and in a recovery slot if there is to be one. */
int vp_keys_create(const struct vp_keys *k, const struct vp *v,
		   struct keyslots *ret, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *key = NULL;
	struct keyslots s = { .number = v->number };
	char name[VP_KEYS_NAME_SIZE];
	uint8_t point[HPKE_PUBLIC_KEY_SIZE];
	int r = secure_memory_new(&key, e);

	if (r < 0)
		return r;
	snprintf(s.vp, sizeof(s.vp), "%s", v->name);
	hash_random(key->bytes, KEYSLOTS_KEY_SIZE);
	key->len = KEYSLOTS_KEY_SIZE;
	r = keyslots_identify_key(key, s.id, e);
	if (r == 0)
		r = wrap_key_for_device(k, &s, key, &s.place[0], e);
	if (r == 0 && has_recovery_point(v, point))
		r = keyslots_wrap_recovery(&s, point, key, &s.place[1], e);
	vp_keys_format_name(v, name);
	if (r == 0)
		r = keyslot_file_create(k->keys, name, &s, e);
	if (r == 0)
		*ret = s;
	return r;
}

/* ---- who may have it */

static int verify_given_key(const struct keyslots *s,
			    const struct secure_memory *given,
			    struct secure_memory *key, struct err *e)
{
	uint8_t id[KEYSLOTS_ID_SIZE];
	int r;

	if (given->len != KEYSLOTS_KEY_SIZE)
		return err_reason(e, REASON_PASSWORD,
				  "unlock VP %s: a key has %d bytes", s->vp,
				  KEYSLOTS_KEY_SIZE);
	r = keyslots_identify_key(given, id, e);
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

int vp_keys_unwrap(const struct vp_keys *k, const struct keyslots *s,
		   enum vp_keys_source by, const struct secure_memory *given,
		   struct secure_memory **ret, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *key = NULL;
	int r;

	if (by == VP_KEYS_DEVICE)
		return unwrap_key_by_device(k, s, ret, e);
	r = secure_memory_new(&key, e);
	if (r == 0)
		r = by == VP_KEYS_PASSCODE
			    ? keyslots_unwrap_passcode(s, given, key, e)
			    : verify_given_key(s, given, key, e);
	if (r < 0)
		return r;
	*ret = steal(key);
	return 0;
}

/* From now on it opens by itself. */
static int remove_vp_passcode(const struct vp_keys *k, const struct vp *v,
			      struct keyslots *s,
			      const struct secure_memory *key, struct err *e)
{
	struct keyslot fresh;
	int r = wrap_key_for_device(k, s, key, &fresh, e);

	if (r == 0)
		r = write_vp_keyslot(k, v, s, &fresh, e);
	return r < 0 ? r
		     : destroy_vp_keyslots(k, v, s, KEYSLOT_PASSCODE, NULL, e);
}

int vp_keys_set_passcode(const struct vp_keys *k, const struct vp *v,
			 struct keyslots *s, const struct secure_memory *key,
			 const struct secure_memory *passcode, struct err *e)
{
	struct keyslot fresh;
	int r;

	if (passcode->len == 0)
		return remove_vp_passcode(k, v, s, key, e);
	r = keyslots_wrap_passcode(s, passcode, key, &fresh, e);
	if (r == 0)
		r = write_vp_keyslot(k, v, s, &fresh, e);
	return r < 0 ? r
		     : destroy_vp_keyslots(k, v, s, KEYSLOT_DEVICE, NULL, e);
}

int vp_keys_destroy_device_slot(const struct vp_keys *k, const struct vp *v,
				struct keyslots *s, unsigned int *ret,
				struct err *e)
{
	*ret = 0;
	return keyslots_find_newest(s, KEYSLOT_RECOVERY)
		       ? destroy_vp_keyslots(k, v, s, KEYSLOT_DEVICE, ret, e)
		       : 0;
}

int vp_keys_shred_slots(const struct vp_keys *k, const struct vp *v,
			struct err *e)
{
	char name[VP_KEYS_NAME_SIZE];

	vp_keys_format_name(v, name);
	return keyslot_file_shred(k->keys, name, e);
}
