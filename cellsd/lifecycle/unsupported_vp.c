/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/unsupported_vp.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/container/selinux.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/net.h"
#include "cellsd/vp/vp.h"
#include "lib/auto.h"

size_t unsupported_vp_list_features(const struct vp *v,
				    const struct vp_data_info *data,
				    const char *ret[UNSUPPORTED_VP_MAX])
{
	const unsigned int limits = v->run ? v->run->unsupported_limits : 0;
	size_t n = 0;

	const struct {
		const char *name;
		bool lacks;
	} all[] = {
		{ "memory-max", limits & CGROUP_LIMIT_MEMORY },
		{ "cpu-weight", limits & CGROUP_LIMIT_CPU },
		{ "io-weight", limits & CGROUP_LIMIT_IO },
		{ "io-read-max", limits & CGROUP_LIMIT_READ },
		{ "io-write-max", limits & CGROUP_LIMIT_WRITE },
		{ "pids-max", limits & CGROUP_LIMIT_PIDS },
		{ "storage-max", data->too_large },
		/* It runs since before its config said so. */
		{ "no-new-privileges",
		  v->run && v->conf.no_new_privs && !v->run->no_new_privs },
		{ "network", net_is_missing(v) },
		/* The kernel has no SELinux, it is off or permissive. */
		{ "selinux", v->run && !selinux_is_enforcing() },
	};

	_Static_assert(ARRAY_SIZE(all) <= UNSUPPORTED_VP_MAX,
		       "no room for all");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].lacks)
			ret[n++] = all[i].name;
	return n;
}
