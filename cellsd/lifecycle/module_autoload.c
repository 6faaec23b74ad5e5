/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/module_autoload.h"

#include "cellsd/container/system_tool.h"
#include "cellsd/vp/vp.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSCTL "/proc/sys/kernel/modprobe"
#define KEPT "modprobe" /* in the run dir: what was set aside */

struct module_autoload {
	const struct vp_table *vps;
	char *kept;
};

/* What VPs' trees and data, their links, and the statements of firewall.c need
 * of the kernel. */
static void load_required_modules(void)
{
	static const char *const argv[] = { "modprobe",
					    "-a",
					    "-q",
					    "overlay",
					    "erofs",
					    "ext4",
					    "loop",
					    "crypto-xts",
					    "crypto-cts",
					    "crypto-cbc",
					    "crypto-aes",
					    "crypto-hmac",
					    "crypto-sha512",
					    "veth",
					    "nf_tables",
					    "nft_chain_nat",
					    "nft_nat",
					    "nft_masq",
					    "nft_ct",
					    "nft_limit",
					    "nft_connlimit",
					    "nft_reject",
					    "nft_reject_inet",
					    NULL };

	/* What is built in or lacking is not missed here. */
	if (system_tool_run(-1, (char *const *)argv) == SYSTEM_TOOL_NOT_FOUND)
		log_warning("modprobe (kmod) is not installed: what VPs need "
			    "of the kernel has to be loaded");
}

static int set_modprobe_path(const char *program, struct err *e)
{
	auto_close int fd = open(SYSCTL, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : io_write_all(fd, program, strlen(program));

	return r < 0 ? err_sys(e, -r, "set kernel.modprobe") : 0;
}

int module_autoload_disable(const struct module_autoload *a, struct err *e)
{
	auto_free char *program = NULL;
	size_t len;
	int r;

	if (!a)
		return 0;
	if (access(a->kept, F_OK) < 0) {
		r = io_read_file(SYSCTL, PATH_MAX, &program, &len, e);
		if (r == 0)
			r = io_replace_file(a->kept, program, len, 0600, e);
		if (r < 0)
			return r;
	}
	/* One line feed is the empty path. */
	return set_modprobe_path("\n", e);
}

static void restore_modprobe_path(const char *kept)
{
	auto_free char *program = NULL;
	struct err e;
	size_t len;
	int r;

	if (access(kept, F_OK) < 0)
		return;
	r = io_read_file(kept, PATH_MAX, &program, &len, &e);
	if (r == 0)
		r = set_modprobe_path(program, &e);
	if (r < 0)
		log_error("%s", e.text);
	else
		unlink(kept);
}

static bool has_running_vp(const struct vp_table *vps)
{
	for (unsigned int i = 0; i < vps->n; i++)
		if (vps->vp[i]->run)
			return true;
	return false;
}

int module_autoload_resume(const struct module_autoload *a, struct err *e)
{
	if (a && has_running_vp(a->vps))
		return module_autoload_disable(a, e);
	module_autoload_restore_if_idle(a);
	return 0;
}

void module_autoload_restore_if_idle(const struct module_autoload *a)
{
	if (a && !has_running_vp(a->vps))
		restore_modprobe_path(a->kept);
}

int module_autoload_new(const char *run_dir, bool load,
			const struct vp_table *vps,
			struct module_autoload **ret, struct err *e)
{
	AUTO(module_autoload_freep)
	struct module_autoload *a = calloc(1, sizeof(*a));

	*ret = NULL;
	if (!a || !(a->kept = io_join(run_dir, KEPT)))
		return err_oom(e, "watch the loading of modules");
	if (load) {
		restore_modprobe_path(a->kept);
		return 0;
	}
	if (access(SYSCTL, F_OK) < 0)
		return 0;
	if (access(SYSCTL, W_OK) < 0)
		return err_sys(e, errno, "load-modules = no: set " SYSCTL);
	load_required_modules();
	a->vps = vps;
	*ret = steal(a);
	return 0;
}

void module_autoload_free(struct module_autoload *a)
{
	if (!a)
		return;
	free(a->kept);
	free(a);
}
