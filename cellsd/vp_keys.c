/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp_keys.h"

#include "cellsd/keyslot_file.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/io.h"
#include "lib/secure_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEVICE_KEY "device.key"
#define DEVICE_KEY_SIZE 32

void vpkeys_name(const struct vp *v, char ret[VPKEYS_NAME_SIZE])
{
	snprintf(ret, VPKEYS_NAME_SIZE, "%s.%u", v->name, v->number);
}

/* ---- open and close */

static int make_device_key(int state, struct err *e)
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

int vpkeys_open(const char *state_dir, struct vpkeys *ret, struct err *e)
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
	return make_device_key(ret->state, e);
}

void vpkeys_fini(struct vpkeys *k)
{
	auto_closep(&k->state);
	auto_closep(&k->keys);
}

/* ---- slots */

int vpkeys_read(const struct vpkeys *k, const struct vp *v, struct slots *ret,
		struct err *e)
{
	char name[VPKEYS_NAME_SIZE];
	int r;

	vpkeys_name(v, name);
	r = slotfile_read(k->keys, name, ret, e);
	if (r == 0 &&
	    (strcmp(ret->vp, v->name) != 0 || ret->number != v->number))
		return err_set(e, EBADMSG, "read the slots %s: of another VP",
			       name);
	return r;
}

static int put_slot(const struct vpkeys *k, const struct vp *v, struct slots *s,
		    const struct slot *p, struct err *e)
{
	char name[VPKEYS_NAME_SIZE];

	vpkeys_name(v, name);
	return slotfile_put(k->keys, name, s, p, e);
}

static int drop_slots(const struct vpkeys *k, const struct vp *v,
		      struct slots *s, enum slot_type t, unsigned int *ret_n,
		      struct err *e)
{
	char name[VPKEYS_NAME_SIZE];

	vpkeys_name(v, name);
	return slotfile_destroy(k->keys, name, s, t, ret_n, e);
}

static int read_device_key(const struct vpkeys *k, struct secret **ret,
			   struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	auto_close int fd =
		openat(k->state, DEVICE_KEY, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
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

static int wrap_for_device(const struct vpkeys *k, const struct slots *s,
			   const struct secret *key, struct slot *ret,
			   struct err *e)
{
	AUTO(secret_freep) struct secret *device = NULL;
	int r = read_device_key(k, &device, e);

	return r < 0 ? r : slots_wrap_device(s, device, key, ret, e);
}

/* *ret: the VP's key, by its device slot. */
static int unwrap_by_device(const struct vpkeys *k, const struct slots *s,
			    struct secret **ret, struct err *e)
{
	AUTO(secret_freep) struct secret *device = NULL, *key = NULL;
	int r = read_device_key(k, &device, e);

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

bool vpkeys_is_settled(const struct vp *v, const struct slots *s)
{
	const struct slot *held = slots_find(s, SLOT_RECOVERY);
	uint8_t point[BOX_POINT_SIZE];

	if (!wanted_point(v, point))
		return !held;
	return held && memcmp(held->point, point, sizeof(point)) == 0;
}

/* The recovery slot follows the organisation's key. */
int vpkeys_settle(const struct vpkeys *k, const struct vp *v, struct slots *s,
		  const struct secret *key, struct err *e)
{
	uint8_t point[BOX_POINT_SIZE];
	struct slot fresh;
	int r;

	if (vpkeys_is_settled(v, s))
		return 0;
	if (!wanted_point(v, point))
		return drop_slots(k, v, s, SLOT_RECOVERY, NULL, e);
	r = slots_wrap_recovery(s, point, key, &fresh, e);
	return r < 0 ? r : put_slot(k, v, s, &fresh, e);
}

/* A new key, in a device slot, and in a recovery slot if there is to be one. */
int vpkeys_make(const struct vpkeys *k, const struct vp *v, struct slots *ret,
		struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	struct slots s = { .number = v->number };
	char name[VPKEYS_NAME_SIZE];
	uint8_t point[BOX_POINT_SIZE];
	int r = secret_new(&key, e);

	if (r < 0)
		return r;
	snprintf(s.vp, sizeof(s.vp), "%s", v->name);
	hash_random(key->bytes, SLOTS_KEY_SIZE);
	key->len = SLOTS_KEY_SIZE;
	r = slots_identify(key, s.id, e);
	if (r == 0)
		r = wrap_for_device(k, &s, key, &s.place[0], e);
	if (r == 0 && wanted_point(v, point))
		r = slots_wrap_recovery(&s, point, key, &s.place[1], e);
	vpkeys_name(v, name);
	if (r == 0)
		r = slotfile_make(k->keys, name, &s, e);
	if (r == 0)
		*ret = s;
	return r;
}

/* ---- who may have it */

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

int vpkeys_find(const struct vpkeys *k, const struct slots *s,
		enum vpkeys_by by, const struct secret *given,
		struct secret **ret, struct err *e)
{
	AUTO(secret_freep) struct secret *key = NULL;
	int r;

	if (by == VPKEYS_DEVICE)
		return unwrap_by_device(k, s, ret, e);
	r = secret_new(&key, e);
	if (r == 0)
		r = by == VPKEYS_PASSCODE
			    ? slots_unwrap_passcode(s, given, key, e)
			    : take_key(s, given, key, e);
	if (r < 0)
		return r;
	*ret = steal(key);
	return 0;
}

/* From now on it opens by itself. */
static int without_passcode(const struct vpkeys *k, const struct vp *v,
			    struct slots *s, const struct secret *key,
			    struct err *e)
{
	struct slot fresh;
	int r = wrap_for_device(k, s, key, &fresh, e);

	if (r == 0)
		r = put_slot(k, v, s, &fresh, e);
	return r < 0 ? r : drop_slots(k, v, s, SLOT_PASSCODE, NULL, e);
}

int vpkeys_set_passcode(const struct vpkeys *k, const struct vp *v,
			struct slots *s, const struct secret *key,
			const struct secret *passcode, struct err *e)
{
	struct slot fresh;
	int r;

	if (passcode->len == 0)
		return without_passcode(k, v, s, key, e);
	r = slots_wrap_passcode(s, passcode, key, &fresh, e);
	if (r == 0)
		r = put_slot(k, v, s, &fresh, e);
	return r < 0 ? r : drop_slots(k, v, s, SLOT_DEVICE, NULL, e);
}

int vpkeys_bar(const struct vpkeys *k, const struct vp *v, struct slots *s,
	       unsigned int *ret, struct err *e)
{
	*ret = 0;
	return slots_find(s, SLOT_RECOVERY)
		       ? drop_slots(k, v, s, SLOT_DEVICE, ret, e)
		       : 0;
}

int vpkeys_shred(const struct vpkeys *k, const struct vp *v, struct err *e)
{
	char name[VPKEYS_NAME_SIZE];

	vpkeys_name(v, name);
	return slotfile_shred(k->keys, name, e);
}
