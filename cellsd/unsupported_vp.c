/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/unsupported_vp.h"

#include "cellsd/cgroup.h"
#include "cellsd/context.h"
#include "cellsd/net.h"
#include "cellsd/selinux.h"
#include "cellsd/vp_data.h"
#include "lib/auto.h"

size_t lacks_of(struct host *h, const struct vp *v, const char *ret[LACKS_MAX])
{
	const unsigned int limits = v->run ? v->run->lacking : 0;
	struct vpdata_info data;
	size_t n = 0;

	vpdata_tell(h->vpdata, v, &data);
	const struct {
		const char *name;
		bool lacks;
	} all[] = {
		{ "memory-max", limits & LEAF_MEMORY },
		{ "cpu-weight", limits & LEAF_CPU },
		{ "io-weight", limits & LEAF_IO },
		{ "io-read-max", limits & LEAF_READ },
		{ "io-write-max", limits & LEAF_WRITE },
		{ "pids-max", limits & LEAF_PIDS },
		{ "storage-max", data.too_large },
		/* It runs since before its config said so. */
		{ "no-new-privileges",
		  v->run && v->conf.no_new_privs && !v->run->no_new_privs },
		{ "network", net_lacks(v) },
		/* The kernel has no SELinux, it is off or permissive. */
		{ "selinux", v->run && !label_is_enforced() },
	};

	_Static_assert(ARRAY_SIZE(all) <= LACKS_MAX, "no room for all");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].lacks)
			ret[n++] = all[i].name;
	return n;
}
