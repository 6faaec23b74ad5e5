/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/architecture.h"

#include "lib/auto.h"

#include <string.h>

/* image.xsd has the same names. */
static const struct {
	const char *name, *machine;
} known[] = {
	{ "amd64", "x86_64" },	  { "arm64", "aarch64" },
	{ "armhf", "armv7l" },	  { "armel", "armv6l" },
	{ "i386", "i686" },	  { "mips64el", "mips64" },
	{ "mipsel", "mips" },	  { "ppc64el", "ppc64le" },
	{ "riscv64", "riscv64" }, { "s390x", "s390x" },
};

bool architecture_is_known(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return true;
	return false;
}

const char *architecture_of_machine(const char *machine)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].machine, machine) == 0)
			return known[i].name;
	return NULL;
}

const char *architecture_own(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__arm__) && defined(__ARM_PCS_VFP)
	return "armhf";
#elif defined(__arm__)
	return "armel";
#elif defined(__i386__)
	return "i386";
#elif defined(__mips__) && defined(__LP64__)
	return "mips64el";
#elif defined(__mips__)
	return "mipsel";
#elif defined(__powerpc64__)
	return "ppc64el";
#elif defined(__riscv)
	return "riscv64";
#elif defined(__s390x__)
	return "s390x";
#else
#error "what does Debian call this architecture?"
#endif
}
