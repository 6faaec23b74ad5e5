/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/selinux.h"

#include <errno.h>
#include <selinux/selinux.h>
#include <stdio.h>

#define CATEGORIES 1024

/* The n-th pair c1 < c2 of 1,024 categories; 523,776 VPs have one each. */
static void pair(uint32_t n, unsigned int *first, unsigned int *second)
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

static void context(uint32_t vp, const char *format, char ret[LABEL_SIZE])
{
	unsigned int first, second;

	ret[0] = '\0';
	if (!label_is_on())
		return;
	pair(vp, &first, &second);
	snprintf(ret, LABEL_SIZE, "system_u:%s:s0:c%u,c%u", format, first,
		 second);
}

void label_process(uint32_t vp, char ret[LABEL_SIZE])
{
	context(vp, "system_r:cells_vp_t", ret);
}

void label_file(uint32_t vp, char ret[LABEL_SIZE])
{
	context(vp, "object_r:cells_vp_file_t", ret);
}

void label_store(char ret[LABEL_SIZE])
{
	snprintf(ret, LABEL_SIZE, "%s",
		 label_is_on() ? "system_u:object_r:cells_vp_store_t:s0" : "");
}

bool label_is_on(void)
{
	return is_selinux_enabled() == 1;
}

bool label_is_enforced(void)
{
	return label_is_on() && security_getenforce() == 1;
}

int label_exec(const char *text)
{
	if (!*text)
		return 0;
	return setexeccon(text) < 0 ? -errno : 0;
}
