/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/acl.h"

#include "images/tree/passwd.h"
#include "images/tree/tree.h"
#include "images/tree/tree_place.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <search.h>
#include <string.h>

static const char *const xattrs[] = {
	[ACL_OF_ACCESS] = "system.posix_acl_access",
	[ACL_OF_DEFAULT] = "system.posix_acl_default",
};

/* The kernel wants them by tag, then by id. */
static int compare_acl_entries(const void *a, const void *b)
{
	const struct posix_acl_xattr_entry *x = a, *y = b;
	uint32_t xi = le32toh(x->e_id), yi = le32toh(y->e_id);

	if (x->e_tag != y->e_tag)
		return le16toh(x->e_tag) < le16toh(y->e_tag) ? -1 : 1;
	return xi < yi ? -1 : xi > yi;
}

/* An ACL whose names have no numbers yet. */
struct acl_unresolved {
	struct tree_place *place;
	const char *xattr;
	size_t n;
	struct {
		struct posix_acl_xattr_entry acl;
		char *name; /* NULL: the entry has its number */
	} entry[];
};

static void free_unresolved_acl(struct acl_unresolved *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		free(a->entry[i].name);
	tree_place_free(a->place);
	free(a);
}

static void unresolved_acl_freep(struct acl_unresolved **a)
{
	free_unresolved_acl(*a);
}

static void free_acl_node(void *p)
{
	free_unresolved_acl(p);
}

void acl_deferred_free(struct acl_deferred *w)
{
	tdestroy(w->root, free_acl_node);
	w->root = NULL;
}

static int compare_acl_places(const void *a, const void *b)
{
	const struct acl_unresolved *x = a, *y = b;
	int r = strcmp(tree_place_path(x->place), tree_place_path(y->place));

	return r ? r : strcmp(x->xattr, y->xattr);
}

/* An entry that was here before has been replaced. */
static int remove_deferred_acl(struct acl_deferred *w, const struct tree *t,
			       const char *xattr, struct err *e)
{
	struct acl_unresolved key = { .xattr = xattr };
	struct acl_unresolved **found, *old;
	int r;

	if (!w->root)
		return 0;
	r = tree_place_new(t, &key.place, e);
	if (r < 0)
		return r;
	found = tfind(&key, &w->root, compare_acl_places);
	old = found ? *found : NULL;
	tdelete(&key, &w->root, compare_acl_places);
	free_unresolved_acl(old);
	tree_place_free(key.place);
	return 0;
}

/* Copies the entries. *ret_waits: one of them has a name. */
static int copy_acl_entries(const struct acl_entry *entries, size_t n,
			    struct acl_unresolved *a, bool *ret_waits,
			    struct err *e)
{
	*ret_waits = false;
	for (; a->n < n; a->n++) {
		const struct acl_entry *in = &entries[a->n];
		bool named = in->tag == ACL_USER || in->tag == ACL_GROUP;
		struct posix_acl_xattr_entry *out = &a->entry[a->n].acl;
		uint64_t number;

		out->e_tag = htole16(in->tag);
		out->e_perm = htole16(in->permissions);
		out->e_id = htole32(named ? (uint32_t)in->id
					  : (uint32_t)ACL_UNDEFINED_ID);
		if (named && in->name && *in->name &&
		    encoding_parse_number(in->name, UINT32_MAX - 1, &number) <
			    0) {
			a->entry[a->n].name = strdup(in->name);
			if (!a->entry[a->n].name)
				return err_oom(e, "read an ACL");
			*ret_waits = true;
		} else if (named && in->id < 0) {
			return err_set(e, EINVAL,
				       "its ACL names somebody without a name "
				       "or number");
		}
	}
	return 0;
}

/* The kernel's form; the caller frees it. */
static int encode_acl_xattr(const struct acl_unresolved *a, void **ret,
			    size_t *ret_len, struct err *e)
{
	struct posix_acl_xattr_entry *out;
	size_t len =
		sizeof(struct posix_acl_xattr_header) + a->n * sizeof(*out);
	struct posix_acl_xattr_header *acl = malloc(len);

	if (!acl)
		return err_oom(e, "read an ACL");
	acl->a_version = htole32(POSIX_ACL_XATTR_VERSION);
	out = (struct posix_acl_xattr_entry *)(acl + 1);
	for (size_t i = 0; i < a->n; i++)
		out[i] = a->entry[i].acl;
	qsort(out, a->n, sizeof(*out), compare_acl_entries);
	*ret = acl;
	*ret_len = len;
	return 0;
}

int acl_apply(enum acl_kind kind, const struct acl_entry *entries, size_t n,
	      struct tree *t, struct acl_deferred *w, struct err *e)
{
	const char *xattr = xattrs[kind];
	AUTO(unresolved_acl_freep) struct acl_unresolved *a = NULL;
	auto_free void *acl = NULL;
	bool waits = false;
	size_t len = 0;
	int r = remove_deferred_acl(w, t, xattr, e);

	/* The three plain entries alone say no more than the mode. */
	if (r < 0 || n == 0 || (kind == ACL_OF_ACCESS && n <= 3))
		return r;
	a = calloc(1, sizeof(*a) + n * sizeof(a->entry[0]));
	if (!a)
		return err_oom(e, "read an ACL");
	a->xattr = xattr;
	r = copy_acl_entries(entries, n, a, &waits, e);
	if (r == 0 && waits) {
		r = tree_place_new(t, &a->place, e);
		if (r == 0 && !tsearch(a, &w->root, compare_acl_places))
			r = err_oom(e, "read an ACL");
		if (r == 0)
			a = NULL;
		return r;
	}
	if (r == 0)
		r = encode_acl_xattr(a, &acl, &len, e);
	return r < 0 ? r : tree_set_xattr(t, xattr, acl, len, e);
}

static int resolve_acl_name(struct acl_unresolved *a, size_t i,
			    const char *passwd, const char *group,
			    struct err *e)
{
	bool user = le16toh(a->entry[i].acl.e_tag) == ACL_USER;
	uint32_t number;

	if (passwd_lookup_id(user ? passwd : group, a->entry[i].name,
			     &number)) {
		a->entry[i].acl.e_id = htole32(number);
		return 0;
	}
	if (le32toh(a->entry[i].acl.e_id) != (uint32_t)ACL_UNDEFINED_ID)
		return 0;
	return err_set(e, EINVAL,
		       "entry '%.120s': its ACL names %s '%.40s', whom the "
		       "image's /etc/%s does not have",
		       tree_place_path(a->place), user ? "user" : "group",
		       a->entry[i].name, user ? "passwd" : "group");
}

static int set_resolved_acl(struct acl_unresolved *a, const char *passwd,
			    const char *group, struct tree *t, struct err *e)
{
	auto_free void *acl = NULL;
	size_t len;
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->n; i++)
		if (a->entry[i].name)
			r = resolve_acl_name(a, i, passwd, group, e);
	if (r == 0)
		r = encode_acl_xattr(a, &acl, &len, e);
	return r < 0 ? r
		     : tree_place_set_xattr(t, a->place, a->xattr, acl, len, e);
}

struct acl_resolution {
	char *passwd, *group;
	struct tree *t;
	struct err *e;
	int r;
};

static void apply_deferred_node(const void *node, VISIT which, void *data)
{
	struct acl_unresolved *a = *(struct acl_unresolved *const *)node;
	struct acl_resolution *f = data;

	if ((which == postorder || which == leaf) && f->r == 0 &&
	    tree_place_is_unchanged(f->t, a->place))
		f->r = set_resolved_acl(a, f->passwd, f->group, f->t, f->e);
}

int acl_apply_deferred(struct acl_deferred *w, struct tree *t, struct err *e)
{
	struct acl_resolution f = { .t = t, .e = e };

	if (!w->root)
		return 0;
	f.r = tree_read_file(t, "etc/passwd", PASSWD_MAX, &f.passwd, e);
	if (f.r == 0)
		f.r = tree_read_file(t, "etc/group", PASSWD_MAX, &f.group, e);
	if (f.r == 0)
		twalk_r(w->root, apply_deferred_node, &f);
	free(f.passwd);
	free(f.group);
	acl_deferred_free(w);
	return f.r;
}
