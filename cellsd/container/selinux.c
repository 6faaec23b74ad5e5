/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/selinux.h"

#include <errno.h>
#include <selinux/selinux.h>
#include <stdio.h>

#define CATEGORIES 1024

/* The n-th pair c1 < c2 of 1,024 categories; 523,776 VPs have one each. */
static void get_category_pair(uint32_t n, unsigned int *first,
			      unsigned int *second)
{
	unsigned int a = 0;

	n %= CATEGORIES * (CATEGORIES - 1) / 2;
	while (n >= CATEGORIES - 1 - a) {
		n -= CATEGORIES - 1 - a;
		a++;
	}
	*first = a;
	*second = a + 1 + n;
}

static void format_vp_context(uint32_t vp, const char *format,
			      char ret[SELINUX_CONTEXT_SIZE])
{
	unsigned int first, second;

	ret[0] = '\0';
	if (!selinux_is_enabled())
		return;
	get_category_pair(vp, &first, &second);
	snprintf(ret, SELINUX_CONTEXT_SIZE, "system_u:%s:s0:c%u,c%u", format,
		 first, second);
}

void selinux_format_process_context(uint32_t vp, char ret[SELINUX_CONTEXT_SIZE])
{
	format_vp_context(vp, "system_r:cells_vp_t", ret);
}

void selinux_format_file_context(uint32_t vp, char ret[SELINUX_CONTEXT_SIZE])
{
	format_vp_context(vp, "object_r:cells_vp_file_t", ret);
}

void selinux_format_store_context(char ret[SELINUX_CONTEXT_SIZE])
{
	snprintf(ret, SELINUX_CONTEXT_SIZE, "%s",
		 selinux_is_enabled() ? "system_u:object_r:cells_vp_store_t:s0"
				      : "");
}

bool selinux_is_enabled(void)
{
	return is_selinux_enabled() == 1;
}

bool selinux_is_enforcing(void)
{
	return selinux_is_enabled() && security_getenforce() == 1;
}

int selinux_set_exec_context(const char *text)
{
	if (!*text)
		return 0;
	return setexeccon(text) < 0 ? -errno : 0;
}
