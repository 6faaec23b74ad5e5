/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/xsd.h"

#include "lib/auto.h"

#include <string.h>

#define XSDS(X)                                                                \
	X(common, "common")                                                    \
	X(root, "root")                                                        \
	X(group, "group")                                                      \
	X(membership, "membership")                                            \
	X(vp_config, "vp-config")                                              \
	X(device_policy, "device-policy")                                      \
	X(image, "image")                                                      \
	X(command, "command")

/* The assembler finds the file by the -I of the top of the tree. */
#define XSD_BYTES(sym, file)                                                   \
	__asm__(".pushsection .rodata\n"                                       \
		".globl xsd_" #sym "_start, xsd_" #sym "_end\n"                \
		".hidden xsd_" #sym "_start\n"                                 \
		".hidden xsd_" #sym "_end\n"                                   \
		"xsd_" #sym "_start:\n"                                        \
		".incbin \"schema/xsd/" file ".xsd\"\n"                        \
		"xsd_" #sym "_end:\n"                                          \
		".popsection\n");                                              \
	extern const char xsd_##sym##_start[], xsd_##sym##_end[];
XSDS(XSD_BYTES)
#undef XSD_BYTES

static const struct {
	const char *name, *start, *end;
} xsds[] = {
#define XSD_ROW(sym, file) { file ".xsd", xsd_##sym##_start, xsd_##sym##_end },
	XSDS(XSD_ROW)
#undef XSD_ROW
};

const char *xsd_find(const char *name, size_t *ret_len)
{
	for (size_t i = 0; i < ARRAY_SIZE(xsds); i++) {
		if (strcmp(xsds[i].name, name) != 0)
			continue;
		*ret_len = (size_t)(xsds[i].end - xsds[i].start);
		return xsds[i].start;
	}
	return NULL;
}
