/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus/bus_keys.h"

#include "cellsd/lifecycle/operations.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/storage/vp_secrets.h"
#include "lib/auto.h"
#include "lib/crypto/secure_memory.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PASSCODE_MAX 1024
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int reply_success(sd_bus_message *m, struct err *e)
{
	int r = sd_bus_reply_method_return(m, "");

	return r < 0 ? err_sys(e, -r, "answer") : 1;
}

/* How much is in a sealed memfd: nobody changes it meanwhile. */
static int get_sealed_memfd_size(int fd, const char *vp, size_t max,
				 size_t *ret, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || fstat(fd, &st) < 0 || st.st_size > (off_t)max)
		return err_set(e, EINVAL,
			       "VP %s: what was given is not a memfd", vp);
	if (st.st_size > 0 && (seals & SEALS) != SEALS)
		return err_set(e, EINVAL, "VP %s: what was given is not sealed",
			       vp);
	*ret = (size_t)st.st_size;
	return 0;
}

static int read_memfd_secret(int fd, const char *vp, struct secure_memory **ret,
			     struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *s = NULL;
	size_t len;
	int r = get_sealed_memfd_size(fd, vp, PASSCODE_MAX, &len, e);

	if (r == 0)
		r = secure_memory_new(&s, e);
	if (r < 0)
		return r;
	if (pread(fd, s->bytes, len, 0) != (ssize_t)len)
		return err_set(e, EIO, "VP %s: read the passcode", vp);
	s->len = len;
	*ret = steal(s);
	return 0;
}

/* Nothing in it: policyd vouches, and the device slot opens. */
int bus_keys_unlock(struct operations *o, struct vp *v, sd_bus_message *m,
		    enum vp_keys_source by, struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *secret = NULL;
	int fd, r = sd_bus_message_read(m, "h", &fd);

	if (r < 0)
		return err_sys(e, -r, "read Unlock");
	r = read_memfd_secret(fd, v->name, &secret, e);
	if (r == 0)
		r = operations_unlock_vp(o, v,
					 secret->len == 0 ? VP_KEYS_DEVICE : by,
					 secret, e);
	return r < 0 ? r : reply_success(m, e);
}

int bus_keys_set_passcode(struct operations *o, struct vp *v, sd_bus_message *m,
			  struct err *e)
{
	AUTO(secure_memory_freep)
	struct secure_memory *old = NULL, *fresh = NULL;
	int old_fd, fresh_fd, r;

	r = sd_bus_message_read(m, "hh", &old_fd, &fresh_fd);
	if (r < 0)
		return err_sys(e, -r, "read SetPasscode");
	r = read_memfd_secret(old_fd, v->name, &old, e);
	if (r == 0)
		r = read_memfd_secret(fresh_fd, v->name, &fresh, e);
	if (r == 0)
		r = operations_set_passcode(o, v, old, fresh, e);
	return r < 0 ? r : reply_success(m, e);
}

/* Their pages are the caller's: nothing is copied here. */
int bus_keys_put_secrets(struct operations *o, struct vp *v, sd_bus_message *m,
			 struct err *e)
{
	void *data = MAP_FAILED;
	size_t len;
	int fd, r = sd_bus_message_read(m, "h", &fd);

	if (r < 0)
		return err_sys(e, -r, "read Secrets");
	r = get_sealed_memfd_size(fd, v->name, VP_SECRETS_MAX, &len, e);
	if (r < 0)
		return r;
	if (len > 0) {
		data = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data == MAP_FAILED)
			return err_sys(e, errno, "read the secrets of VP %s",
				       v->name);
	}
	r = operations_put_secrets(o, v, len > 0 ? data : "", len, e);
	if (len > 0)
		munmap(data, len);
	return r < 0 ? r : reply_success(m, e);
}

int bus_keys_reply_locked(struct vp_data *d, struct vp *v, sd_bus_message *call)
{
	auto_free char *box = NULL;
	struct vp_data_info info;

	vp_data_get_info(d, v, &info);
	box = encoding_to_base64(
		info.box, info.has[KEYSLOT_RECOVERY] ? sizeof(info.box) : 0);
	if (!box)
		return -ENOMEM;
	return sd_bus_reply_method_return(
		call, "a{sv}", 9, "method", "s",
		v->eviction.incomplete ? "stopped" : "key evicted", "medium",
		"s", info.medium, "slots", "u", v->eviction.slots, "keys", "u",
		v->eviction.keys, "ns", "t", v->eviction.ns, "incomplete", "b",
		v->eviction.incomplete, "key", "s", info.id, "number", "u",
		v->number, "recovery", "s", box);
}
