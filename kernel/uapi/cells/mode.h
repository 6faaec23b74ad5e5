/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR Apache-2.0 */
/*
 * The mode decision. Kernel module, device and server compile this very file,
 * so a what-if and a verdict cannot differ. No libc; nothing but arithmetic.
 *
 * A mode gives a use and a block: none = (none, no), exclusive = (front, yes),
 * shared = (any, no); none may have a block.
 */
#ifndef CELLS_MODE_H
#define CELLS_MODE_H

enum cells_use {
	CELLS_USE_NONE = 0,
	CELLS_USE_FRONT = 1,
	CELLS_USE_ANY = 2,
};

struct cells_right {
	unsigned char use;   /* enum cells_use */
	unsigned char block; /* 0 or 1: nobody else while this VP is in front */
};

/*
 * Several rules on one VP and class: the least use, and a block if any blocks.
 * It can only take away; adding a rule never gives a right.
 */
static inline struct cells_right cells_right_combine(struct cells_right a,
						     struct cells_right b)
{
	struct cells_right r;

	r.use = a.use < b.use ? a.use : b.use;
	r.block = a.block || b.block;
	return r;
}

/*
 * May this VP use the class? `front` is what the VP in front has on the class;
 * with nobody in front pass { 0, 0 } and is_front = 0: then nothing blocks.
 */
static inline int cells_allowed(struct cells_right own, int is_front,
				struct cells_right front)
{
	if (own.use == CELLS_USE_NONE)
		return 0;
	return is_front || (own.use == CELLS_USE_ANY && !front.block);
}

#endif
