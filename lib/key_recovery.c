/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/key_recovery.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <inttypes.h>

#define BOUND_SIZE 320

struct bound {
	char text[BOUND_SIZE];
	struct box_part part;
};

static int bind(struct bound *ret, int n, struct err *e)
{
	if (n < 0 || n >= BOUND_SIZE)
		return err_set(e, EINVAL, "seal a key: a name is too long");
	ret->part = (struct box_part){ ret->text, (size_t)n };
	return 0;
}

static int bind_vp(const struct escrow_vp *v, struct bound *ret, struct err *e)
{
	return bind(ret,
		    snprintf(ret->text, BOUND_SIZE,
			     "cells-slot|recovery|%s|%" PRIu32 "|%s", v->vp,
			     v->number, v->id),
		    e);
}

static int bind_device(const struct escrow_device *d, struct bound *ret,
		       struct err *e)
{
	return bind(ret,
		    snprintf(ret->text, BOUND_SIZE, "cells-sealed-key|%s|%s|%s",
			     d->device, d->epoch, d->vp),
		    e);
}

int escrow_wrap(const struct escrow_vp *v, const uint8_t to[BOX_POINT_SIZE],
		const uint8_t key[ESCROW_KEY_SIZE],
		uint8_t ret[ESCROW_BOX_SIZE], struct err *e)
{
	const struct box_part data = { key, ESCROW_KEY_SIZE };
	struct bound b;
	int r = bind_vp(v, &b, e);

	return r < 0 ? r : box_seal(to, BOX_RECOVERY, &b.part, &data, ret, e);
}

int escrow_unwrap(const struct escrow_vp *v, const struct key *recovery,
		  const uint8_t box[ESCROW_BOX_SIZE],
		  uint8_t ret[ESCROW_KEY_SIZE], struct err *e)
{
	const struct box_part sealed = { box, ESCROW_BOX_SIZE };
	struct bound b;
	int r = bind_vp(v, &b, e);

	return r < 0 ? r
		     : box_open(recovery, BOX_RECOVERY, &b.part, &sealed, ret,
				e);
}

int escrow_seal(const struct escrow_device *d, const struct key *receipts,
		const uint8_t key[ESCROW_KEY_SIZE],
		uint8_t ret[ESCROW_BOX_SIZE], struct err *e)
{
	const struct box_part data = { key, ESCROW_KEY_SIZE };
	uint8_t to[BOX_POINT_SIZE];
	struct bound b;
	int r = bind_device(d, &b, e);

	box_point(receipts, to);
	return r < 0 ? r : box_seal(to, BOX_SEALED_KEY, &b.part, &data, ret, e);
}

int escrow_unseal(const struct escrow_device *d, const struct key *receipts,
		  const void *box, size_t len, uint8_t ret[ESCROW_KEY_SIZE],
		  struct err *e)
{
	const struct box_part sealed = { box, len };
	struct bound b;
	int r = bind_device(d, &b, e);

	if (r < 0)
		return r;
	if (len != ESCROW_BOX_SIZE)
		return err_set(e, EACCES, "open a sealed key: %zu bytes", len);
	return box_open(receipts, BOX_SEALED_KEY, &b.part, &sealed, ret, e);
}
