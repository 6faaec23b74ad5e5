/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/key_recovery.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <inttypes.h>

#define AAD_SIZE 320

/* What a key is sealed for: HPKE's info. */
#define INFO_RECOVERY_SLOT "cells-recovery-slot"
#define INFO_SEALED_KEY "cells-sealed-key"

struct associated_data {
	char text[AAD_SIZE];
	struct hpke_part part;
};

static int finish_aad_text(struct associated_data *ret, int n, struct err *e)
{
	if (n < 0 || n >= AAD_SIZE)
		return err_set(e, EINVAL, "seal a key: a name is too long");
	ret->part = (struct hpke_part){ ret->text, (size_t)n };
	return 0;
}

static int format_recovery_aad(const struct key_recovery_vp *v,
			       struct associated_data *ret, struct err *e)
{
	return finish_aad_text(ret,
			       snprintf(ret->text, AAD_SIZE,
					"cells-slot|recovery|%s|%" PRIu32 "|%s",
					v->vp, v->number, v->id),
			       e);
}

static int format_sealed_key_aad(const struct key_recovery_device *d,
				 struct associated_data *ret, struct err *e)
{
	return finish_aad_text(ret,
			       snprintf(ret->text, AAD_SIZE,
					"cells-sealed-key|%s|%s|%s", d->device,
					d->epoch, d->vp),
			       e);
}

int key_recovery_wrap(const struct key_recovery_vp *v,
		      const uint8_t to[HPKE_PUBLIC_KEY_SIZE],
		      const uint8_t key[KEY_RECOVERY_KEY_SIZE],
		      uint8_t ret[KEY_RECOVERY_BOX_SIZE], struct err *e)
{
	const struct hpke_part data = { key, KEY_RECOVERY_KEY_SIZE };
	struct associated_data b;
	int r = format_recovery_aad(v, &b, e);

	return r < 0 ? r
		     : hpke_seal(to, INFO_RECOVERY_SLOT, &b.part, &data, ret,
				 e);
}

int key_recovery_unwrap(const struct key_recovery_vp *v,
			const struct key *recovery,
			const uint8_t box[KEY_RECOVERY_BOX_SIZE],
			uint8_t ret[KEY_RECOVERY_KEY_SIZE], struct err *e)
{
	const struct hpke_part sealed = { box, KEY_RECOVERY_BOX_SIZE };
	struct associated_data b;
	int r = format_recovery_aad(v, &b, e);

	return r < 0 ? r
		     : hpke_open(recovery, INFO_RECOVERY_SLOT, &b.part, &sealed,
				 ret, e);
}

int key_recovery_seal(const struct key_recovery_device *d,
		      const struct key *receipts,
		      const uint8_t key[KEY_RECOVERY_KEY_SIZE],
		      uint8_t ret[KEY_RECOVERY_BOX_SIZE], struct err *e)
{
	const struct hpke_part data = { key, KEY_RECOVERY_KEY_SIZE };
	uint8_t to[HPKE_PUBLIC_KEY_SIZE];
	struct associated_data b;
	int r = format_sealed_key_aad(d, &b, e);

	hpke_public_key(receipts, to);
	return r < 0 ? r
		     : hpke_seal(to, INFO_SEALED_KEY, &b.part, &data, ret, e);
}

int key_recovery_unseal(const struct key_recovery_device *d,
			const struct key *receipts, const void *box, size_t len,
			uint8_t ret[KEY_RECOVERY_KEY_SIZE], struct err *e)
{
	const struct hpke_part sealed = { box, len };
	struct associated_data b;
	int r = format_sealed_key_aad(d, &b, e);

	if (r < 0)
		return r;
	if (len != KEY_RECOVERY_BOX_SIZE)
		return err_set(e, EACCES, "open a sealed key: %zu bytes", len);
	return hpke_open(receipts, INFO_SEALED_KEY, &b.part, &sealed, ret, e);
}
