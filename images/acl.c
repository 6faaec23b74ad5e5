/* SPDX-License-Identifier: Apache-2.0 */
#include "images/acl.h"

#include "images/tree.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

#define ENTRIES_MAX 1024

static const struct {
	int archive;
	uint16_t kernel;
} tags[] = {
	{ ARCHIVE_ENTRY_ACL_USER_OBJ, ACL_USER_OBJ },
	{ ARCHIVE_ENTRY_ACL_USER, ACL_USER },
	{ ARCHIVE_ENTRY_ACL_GROUP_OBJ, ACL_GROUP_OBJ },
	{ ARCHIVE_ENTRY_ACL_GROUP, ACL_GROUP },
	{ ARCHIVE_ENTRY_ACL_MASK, ACL_MASK },
	{ ARCHIVE_ENTRY_ACL_OTHER, ACL_OTHER },
};

static uint16_t tag_of(int archive)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(tags); i++)
		if (tags[i].archive == archive)
			return tags[i].kernel;
	return 0;
}

/* The kernel wants them by tag, then by id. */
static int by_tag_and_id(const void *a, const void *b)
{
	const struct posix_acl_xattr_entry *x = a, *y = b;
	uint32_t xi = le32toh(x->e_id), yi = le32toh(y->e_id);

	if (x->e_tag != y->e_tag)
		return le16toh(x->e_tag) < le16toh(y->e_tag) ? -1 : 1;
	return xi < yi ? -1 : xi > yi;
}

static int apply_kind(struct archive_entry *ae, int kind, const char *name,
		      struct tree *t, struct err *e)
{
	int count = archive_entry_acl_reset(ae, kind);
	auto_free struct posix_acl_xattr_header *acl = NULL;
	struct posix_acl_xattr_entry *out;
	int type, permset, tag, id;
	const char *who;
	size_t n = 0;

	if (count <= 0)
		return 0;
	if (count > ENTRIES_MAX)
		return err_set(e, E2BIG, "an ACL of %d entries", count);
	acl = calloc(1, sizeof(*acl) + ENTRIES_MAX * sizeof(*out));
	if (!acl)
		return err_oom(e, "read an ACL");
	acl->a_version = htole32(POSIX_ACL_XATTR_VERSION);
	out = (struct posix_acl_xattr_entry *)(acl + 1);
	while (n < ENTRIES_MAX &&
	       archive_entry_acl_next(ae, kind, &type, &permset, &tag, &id,
				      &who) == ARCHIVE_OK) {
		bool named = tag == ARCHIVE_ENTRY_ACL_USER ||
			     tag == ARCHIVE_ENTRY_ACL_GROUP;

		out[n].e_tag = htole16(tag_of(tag));
		out[n].e_perm = htole16((uint16_t)(permset & 7));
		out[n++].e_id = htole32(named ? (uint32_t)id
					      : (uint32_t)ACL_UNDEFINED_ID);
	}
	qsort(out, n, sizeof(*out), by_tag_and_id);
	return tree_xattr(t, name, acl, sizeof(*acl) + n * sizeof(*out), e);
}

int acl_apply(struct archive_entry *ae, struct tree *t, struct err *e)
{
	int r = 0;

	/* The three plain entries alone say no more than the mode. */
	if (archive_entry_acl_count(ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS) > 3)
		r = apply_kind(ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS,
			       "system.posix_acl_access", t, e);
	if (r == 0)
		r = apply_kind(ae, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT,
			       "system.posix_acl_default", t, e);
	return r;
}
