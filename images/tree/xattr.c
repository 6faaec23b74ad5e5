/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/xattr.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

/* The machine's label, which no image has. */
#define LABEL "security.selinux"

/* The names, one after the other; *ret_len 0: none. */
static int list_xattr_names(int fd, const char *name, char **ret,
			    size_t *ret_len, struct err *e)
{
	ssize_t n = flistxattr(fd, NULL, 0);
	auto_free char *names = NULL;

	if (n <= 0) {
		*ret_len = 0;
		return n == 0 || errno == ENOTSUP
			       ? 0
			       : err_sys(e, errno, "list xattrs of '%s'", name);
	}
	names = malloc(XATTR_LIST_MAX);
	if (!names)
		return err_oom(e, name);
	n = flistxattr(fd, names, XATTR_LIST_MAX);
	if (n < 0)
		return err_sys(e, errno, "list xattrs of '%s'", name);
	*ret = steal(names);
	*ret_len = (size_t)n;
	return 0;
}

int xattr_clear(int fd, const char *name, struct err *e)
{
	auto_free char *names = NULL;
	size_t len = 0;
	int r = list_xattr_names(fd, name, &names, &len, e);

	for (char *p = names; r == 0 && p && p < names + len;
	     p += strlen(p) + 1)
		if (strcmp(p, LABEL) != 0 && fremovexattr(fd, p) < 0 &&
		    errno != ENODATA)
			return err_sys(e, errno, "remove xattr %s of '%s'", p,
				       name);
	return r;
}

int xattr_copy(int from, int to, const char *name, struct err *e)
{
	auto_free char *names = NULL, *value = NULL;
	size_t len = 0;
	int r;

	r = xattr_clear(to, name, e);
	if (r == 0)
		r = list_xattr_names(from, name, &names, &len, e);
	if (r < 0 || len == 0)
		return r;
	value = malloc(XATTR_SIZE_MAX);
	if (!value)
		return err_oom(e, name);
	for (char *p = names; p < names + len; p += strlen(p) + 1) {
		ssize_t n = fgetxattr(from, p, value, XATTR_SIZE_MAX);

		if (strcmp(p, LABEL) == 0)
			continue;
		if (n < 0 || fsetxattr(to, p, value, (size_t)n, 0) < 0)
			return err_sys(e, errno, "copy xattr %s of '%s'", p,
				       name);
	}
	return 0;
}
