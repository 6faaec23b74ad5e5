/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/recovery.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/device_key.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/trust/trust_root.h"
#include "lib/auto.h"
#include "lib/crypto/key_recovery.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

/* The newest receipt of a lock, as an envelope; nothing in it is believed yet.
 */
static int fetch_lock_receipt(struct adm *a, const char *device, const char *vp,
			      struct envelope **ret, char ret_epoch[33],
			      struct err *e)
{
	auto_json json_t *items = NULL;
	auto_free char *filter = NULL;
	const json_t *env;
	const char *epoch;
	int r;

	if (asprintf(&filter, "type eq locked and vp eq %s", vp) < 0)
		return err_oom(e, device);
	r = remote_list(a,
			REMOTE_PATH("devices", device, "receipts", "?",
				    "filter", filter, "order", "desc"),
			1, &items, e);
	if (r < 0)
		return r;
	env = json_object_get(json_array_get(items, 0), "envelope");
	if (!env)
		return err_set(e, ENOENT,
			       "the server has no receipt of a lock of %s on "
			       "%s: lock it (again) first",
			       vp, device);
	epoch = json_string_value(
		json_object_get(json_array_get(items, 0), "epoch"));
	if (!epoch || strlen(epoch) != 32 || !encoding_is_valid_id(epoch))
		return err_set(e, EBADMSG,
			       "the server gives no epoch of the lock of %s",
			       vp);
	snprintf(ret_epoch, 33, "%s", epoch);
	return envelope_from_json(env, ret, e);
}

/* The lock may be of before the device's last enrollment: its receipt is signed
 * by the key of that epoch, and *ret_key is that of now. */
static int open_lock_receipt(struct adm *a, const char *device, const char *vp,
			     struct device_key *ret_key, struct receipt *ret,
			     struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(device_key_fini) struct device_key signer = { 0 };
	char epoch[33];
	int r = device_key_get(a, device, NULL, ret_key, e);

	if (r >= 0)
		r = fetch_lock_receipt(a, device, vp, &env, epoch, e);
	if (r >= 0)
		r = device_key_get(a, device, epoch, &signer, e);
	if (r >= 0)
		r = receipt_open(env, signer.key, ret, e);
	if (r < 0)
		return r;
	if (ret->type != RECEIPT_LOCKED || strcmp(ret->device, device) != 0 ||
	    !ret->vp || strcmp(ret->vp, vp) != 0)
		return err_set(e, EBADMSG,
			       "the server's receipt is not of a lock of %s",
			       vp);
	return 0;
}

static int unwrap_recovery_slot(const struct receipt *receipt,
				const struct key *recovery,
				uint8_t ret[KEY_RECOVERY_KEY_SIZE],
				struct err *e)
{
	const json_t *details = receipt->details;
	const char *slot =
		json_string_value(json_object_get(details, "recovery"));
	const char *id = json_string_value(json_object_get(details, "key"));
	json_int_t number =
		json_integer_value(json_object_get(details, "number"));
	const struct key_recovery_vp v = { receipt->vp, id, (uint32_t)number };
	auto_free void *box = NULL;
	size_t len = 0;
	int r;

	if (!slot || !*slot || !id)
		return err_set(e, ENOENT,
			       "the receipt of the lock has no recovery slot: "
			       "lock %s again, or unlock it without a key",
			       receipt->vp);
	r = encoding_from_base64(slot, strlen(slot), &box, &len);
	if (r < 0 || len != KEY_RECOVERY_BOX_SIZE)
		return err_set(e, EBADMSG,
			       "the receipt's recovery slot is bad");
	r = key_recovery_unwrap(&v, recovery, box, ret, e);
	return r == -EACCES ? err_set(e, EACCES,
				      "the recovery slot of %s is not for this "
				      "key",
				      receipt->vp)
			    : r;
}

int recovery_seal_key(struct adm *a, const char *device, const char *vp,
		      const char *name, char **ret, size_t *ret_len,
		      struct err *e)
{
	AUTO(device_key_fini) struct device_key key = { 0 };
	AUTO(receipt_fini) struct receipt receipt = { 0 };
	AUTO(key_freep) struct key *recovery = NULL;
	auto_free char *owner = NULL;
	uint8_t plain[KEY_RECOVERY_KEY_SIZE], box[KEY_RECOVERY_BOX_SIZE];
	int r = open_lock_receipt(a, device, vp, &key, &receipt, e);

	if (r >= 0)
		r = keyring_load_private(a, name, a->keys.n, &recovery, &owner,
					 e);
	if (r >= 0)
		r = unwrap_recovery_slot(&receipt, recovery, plain, e);
	if (r >= 0)
		r = key_recovery_seal(
			&(struct key_recovery_device){ device, key.epoch, vp },
			key.key, plain, box, e);
	explicit_bzero(plain, sizeof(plain));
	if (r < 0)
		return r;
	*ret = malloc(KEY_RECOVERY_BOX_SIZE);
	if (!*ret)
		return err_oom(e, "seal a key");
	memcpy(*ret, box, KEY_RECOVERY_BOX_SIZE);
	*ret_len = KEY_RECOVERY_BOX_SIZE;
	return 0;
}
