/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/fscrypt.h"

#include "lib/auto.h"
#include "lib/crypto/secure_memory.h"
#include "lib/err.h"

#include <assert.h>
#include <errno.h>
#include <linux/fscrypt.h>
#include <string.h>
#include <sys/ioctl.h>

static struct fscrypt_key_specifier
build_key_specifier(const uint8_t id[KEYSLOTS_ID_SIZE])
{
	struct fscrypt_key_specifier s = {
		.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER
	};

	memcpy(s.u.identifier, id, KEYSLOTS_ID_SIZE);
	return s;
}

static int get_key_status(int fd, const uint8_t id[KEYSLOTS_ID_SIZE],
			  uint32_t *ret)
{
	struct fscrypt_get_key_status_arg arg = {
		.key_spec = build_key_specifier(id)
	};

	if (ioctl(fd, FS_IOC_GET_ENCRYPTION_KEY_STATUS, &arg) < 0)
		return -errno;
	*ret = arg.status;
	return 0;
}

bool fscrypt_is_supported(int fd)
{
	const uint8_t none[KEYSLOTS_ID_SIZE] = { 0 };
	uint32_t ignored;

	return get_key_status(fd, none, &ignored) == 0;
}

bool fscrypt_has_key(int fd, const uint8_t id[KEYSLOTS_ID_SIZE])
{
	uint32_t s = FSCRYPT_KEY_STATUS_ABSENT;

	return get_key_status(fd, id, &s) == 0 &&
	       s == FSCRYPT_KEY_STATUS_PRESENT;
}

/* The argument with the key behind it, in memory that is not swapped. */
int fscrypt_add_key(int fd, const struct secure_memory *key,
		    const uint8_t id[KEYSLOTS_ID_SIZE], struct err *e)
{
	AUTO(secure_memory_freep) struct secure_memory *room = NULL;
	struct fscrypt_add_key_arg *arg;
	int r = secure_memory_new(&room, e);

	if (r < 0)
		return r;
	static_assert(sizeof(*arg) + KEYSLOTS_KEY_SIZE <= SECURE_MEMORY_MAX,
		      "room");
	static_assert(offsetof(struct secure_memory, bytes) % 8 == 0,
		      "aligned");
	arg = (struct fscrypt_add_key_arg *)(void *)room->bytes;
	arg->key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
	arg->raw_size = (uint32_t)key->len;
	memcpy(arg->raw, key->bytes, key->len);
	if (ioctl(fd, FS_IOC_ADD_ENCRYPTION_KEY, arg) < 0)
		return err_sys(e, errno, "give the kernel a key");
	if (memcmp(arg->key_spec.u.identifier, id, KEYSLOTS_ID_SIZE) != 0)
		return err_set(e, EIO, "give the kernel a key: it is another");
	return 0;
}

int fscrypt_set_policy(int dir, const uint8_t id[KEYSLOTS_ID_SIZE],
		       struct err *e)
{
	struct fscrypt_policy_v2 policy = {
		.version = FSCRYPT_POLICY_V2,
		.contents_encryption_mode = FSCRYPT_MODE_AES_256_XTS,
		.filenames_encryption_mode = FSCRYPT_MODE_AES_256_CTS,
		.flags = FSCRYPT_POLICY_FLAGS_PAD_32,
	};

	memcpy(policy.master_key_identifier, id, KEYSLOTS_ID_SIZE);
	if (ioctl(dir, FS_IOC_SET_ENCRYPTION_POLICY, &policy) < 0)
		return err_sys(e, errno, "encrypt a VP's data");
	return 0;
}

int fscrypt_remove_key(int fd, const uint8_t id[KEYSLOTS_ID_SIZE],
		       struct err *e)
{
	struct fscrypt_remove_key_arg arg = { .key_spec =
						      build_key_specifier(id) };
	uint32_t s = FSCRYPT_KEY_STATUS_ABSENT;
	int r;

	if (ioctl(fd, FS_IOC_REMOVE_ENCRYPTION_KEY_ALL_USERS, &arg) < 0 &&
	    errno != ENOKEY)
		return err_sys(e, errno, "take a key from the kernel");
	/* It answers 0 also when files are open and the data is readable. */
	r = get_key_status(fd, id, &s);
	if (r < 0)
		return err_sys(e, -r, "look for a key in the kernel");
	if (arg.removal_status_flags != 0 || s != FSCRYPT_KEY_STATUS_ABSENT)
		return err_set(e, EBUSY,
			       "take a key from the kernel: files "
			       "are in use");
	return 0;
}
