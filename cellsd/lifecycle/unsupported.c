/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/unsupported.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/container/selinux.h"
#include "lib/auto.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define USER_NAMESPACES "/proc/sys/user/max_user_namespaces"

static bool is_level_open(const struct unsupported_facts *f)
{
	return strcmp(f->backend_level, "open") == 0;
}

static bool is_selinux_disabled(const struct unsupported_facts *f)
{
	return !selinux_is_enabled();
}

static bool is_selinux_permissive(const struct unsupported_facts *f)
{
	return selinux_is_enabled() && !selinux_is_enforcing();
}

static bool is_network_off(const struct unsupported_facts *f)
{
	return f->is_network_off;
}

static bool is_firewall_rejected(const struct unsupported_facts *f)
{
	return f->is_firewall_rejected;
}

static bool is_psi_off(const struct unsupported_facts *f)
{
	return !f->is_psi_wanted;
}

static bool is_psi_unavailable(const struct unsupported_facts *f)
{
	return f->is_psi_wanted && !f->has_psi;
}

static bool is_ksm_off(const struct unsupported_facts *f)
{
	return !f->is_ksm_wanted;
}

static bool is_ksm_unavailable(const struct unsupported_facts *f)
{
	return f->is_ksm_wanted && !f->has_ksm;
}

static bool is_fscrypt_unavailable(const struct unsupported_facts *f)
{
	return !f->has_fscrypt;
}

static bool is_userns_unavailable(const struct unsupported_facts *f)
{
	auto_close int fd = open(USER_NAMESPACES, O_RDONLY | O_CLOEXEC);
	char most = '0';

	return fd < 0 || read(fd, &most, 1) != 1 || most == '0';
}

#define NO_FILE(file) "cgroup v2 has no " file
#define BOOT(controller, option)                                               \
	"boot with cgroup_no_v1=" controller "; in the kernel: " option

static const struct {
	unsigned int limit; /* CGROUP_LIMIT_*: no controller has it; or */
	bool (*holds)(const struct unsupported_facts *f);
	struct unsupported row;
} table[] = {
	{ CGROUP_LIMIT_MEMORY,
	  NULL,
	  { "memory-max", NO_FILE("memory.max"),
	    BOOT("memory", "CONFIG_MEMCG") } },
	{ CGROUP_LIMIT_CPU,
	  NULL,
	  { "cpu-weight", NO_FILE("cpu.weight"),
	    BOOT("cpu", "CONFIG_FAIR_GROUP_SCHED") } },
	{ CGROUP_LIMIT_PIDS,
	  NULL,
	  { "pids-max", NO_FILE("pids.max"),
	    BOOT("pids", "CONFIG_CGROUP_PIDS") } },
	{ CGROUP_LIMIT_IO,
	  NULL,
	  { "io-weight", NO_FILE("io.weight and no io.bfq.weight"),
	    BOOT("io", "CONFIG_BLK_CGROUP_IOCOST") } },
	{ CGROUP_LIMIT_READ,
	  NULL,
	  { "io-read-max", NO_FILE("io.max"),
	    BOOT("io", "CONFIG_BLK_DEV_THROTTLING") } },
	{ CGROUP_LIMIT_WRITE,
	  NULL,
	  { "io-write-max",
	    NO_FILE("io.max, or no memory.max to count writes by"),
	    BOOT("io,memory", "CONFIG_BLK_DEV_THROTTLING") } },
	{ 0,
	  is_level_open,
	  { "enforcement",
	    "level open: what is open already is not cut, its holders are "
	    "ended or kept",
	    "load the module devns and restart cellsd" } },
	{ 0,
	  is_selinux_disabled,
	  { "selinux", "SELinux is not in the kernel, or it is off",
	    "boot with security=selinux and install selinux/cells.cil" } },
	{ 0,
	  is_selinux_permissive,
	  { "selinux", "SELinux is permissive", "setenforce 1" } },
	{ 0,
	  is_network_off,
	  { "network", "cellsd.conf says network = no", "network = yes" } },
	{ 0,
	  is_firewall_rejected,
	  { "network", "nftables took no table: VPs have their loopback only",
	    "in the kernel: CONFIG_NF_TABLES_INET, CONFIG_NFT_MASQ" } },
	{ 0,
	  is_fscrypt_unavailable,
	  { "fscrypt",
	    "the state directory's file system has none: data is in vaults, "
	    "encrypted there",
	    "ext4 or f2fs with the feature encrypt" } },
	{ 0,
	  is_psi_off,
	  { "pressure", "cellsd.conf says pressure-ms = 0",
	    "pressure-ms = 150" } },
	{ 0,
	  is_psi_unavailable,
	  { "pressure", "/proc/pressure/memory takes no trigger (PSI)",
	    "boot with psi=1; in the kernel: CONFIG_PSI; let cellsd have "
	    "CAP_SYS_RESOURCE" } },
	{ 0,
	  is_ksm_off,
	  { "merge-memory", "cellsd.conf says merge-memory = no",
	    "merge-memory = yes" } },
	{ 0,
	  is_ksm_unavailable,
	  { "merge-memory", "the kernel cannot merge chosen programs' memory",
	    "Linux 6.7 or later with CONFIG_KSM" } },
	{ 0,
	  is_userns_unavailable,
	  { "user-namespaces", "user.max_user_namespaces is 0: no VP can start",
	    "sysctl user.max_user_namespaces=1024" } },
};

size_t unsupported_list_features(const struct unsupported_facts *f,
				 const struct unsupported *ret[UNSUPPORTED_MAX])
{
	size_t n = 0;

	_Static_assert(ARRAY_SIZE(table) <= UNSUPPORTED_MAX, "no room for all");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].holds ? table[i].holds(f)
				   : (f->limits & table[i].limit) != 0)
			ret[n++] = &table[i].row;
	return n;
}
