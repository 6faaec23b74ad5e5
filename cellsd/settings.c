/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/settings.h"

#include "cellsd/prestart.h"
#include "cellsd/profile.h"
#include "cellsd/psi.h"
#include "lib/auto.h"
#include "lib/config.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG "/etc/cells/cellsd.conf"
#define LOCAL_PROFILES "/etc/cells/hardware.d"
#define STOP_SECONDS 10
#define STOP_SECONDS_MAX 300

static int read_profiles(const struct opt_list *files, struct profile *p,
			 struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < files->n; i++)
		r = profile_read(p, files->item[i], e);
	if (files->n > 0)
		return r;
	r = profile_read_folder(p, PROFILES, e);
	return r < 0 ? r : profile_read_folder(p, LOCAL_PROFILES, e);
}

static int check_root(const char *name, struct err *e)
{
	/* One new folder below the top, and never the top itself. */
	if (!text_is_id(name))
		return err_set(e, EINVAL, "cgroup root '%.70s': not a name",
			       name);
	return 0;
}

static int check_backend(const char *name, struct err *e)
{
	static const char *const names[] = { "auto", "devns", "cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return 0;
	return err_set(e, EINVAL, "backend '%.40s': not auto, devns or cgroup",
		       name);
}

int setup_read(int argc, char **argv, struct setup *ret, struct err *e)
{
	const char *config = CONFIG, *root = NULL, *backend = NULL;
	bool debug = false, network = true, merge = true;
	bool load_modules = true;
	uint64_t stop_seconds = STOP_SECONDS;
	struct opt_list hardware = { 0 };
	const struct opt opts[] = {
		{ "config", 0, OPT_STRING, &config, "FILE", "configuration" },
		{ "state-dir", 0, OPT_STRING, &ret->options.state_dir, "DIR",
		  "what must be remembered, and the VPs' data" },
		{ "run-dir", 0, OPT_STRING, &ret->options.run_dir, "DIR",
		  "run-time files" },
		{ "cgroup-root", 0, OPT_STRING, &root, "NAME",
		  "cgroup that VPs are put under" },
		{ "backend", 0, OPT_STRING, &backend, "NAME",
		  "devns, cgroup, or auto: devns where the module is" },
		{ "hardware", 0, OPT_LIST, &hardware, "FILE",
		  "hardware profile, instead of the installed ones" },
		{ "check-config", 0, OPT_FLAG, &ret->check_only, NULL,
		  "read everything, say what is wrong, and end" },
		{ "debug", 0, OPT_FLAG, &debug, NULL, "log more" },
		{ NULL },
	};
	const struct opt_program program = { "cellsd", "",
					     "Runs virtual phones.", opts };
	const struct conf_key keys[] = {
		{ "cgroup-root", CONF_STRING, &ret->cgroup_root, 0, 0 },
		{ "backend", CONF_STRING, &ret->backend, 0, 0 },
		{ "network", CONF_BOOL, &network, 0, 0 },
		{ "network-range", CONF_STRING, &ret->network_range, 0, 0 },
		{ "dns", CONF_STRING, &ret->dns, 0, 0 },
		{ "merge-memory", CONF_BOOL, &merge, 0, 0 },
		{ "load-modules", CONF_BOOL, &load_modules, 0, 0 },
		{ "pressure-ms", CONF_NUMBER, &ret->options.pressure_ms, 0,
		  PRESSURE_MS_MAX },
		{ "prepared-starts", CONF_NUMBER, &ret->options.prepared_starts,
		  0, PREPARED_STARTS_MAX },
		{ "stop-seconds", CONF_NUMBER, &stop_seconds, 0,
		  STOP_SECONDS_MAX },
		{ NULL },
	};
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->options.state_dir = "/var/lib/cells/cellsd";
	ret->options.run_dir = "/run/cells";
	ret->options.pressure_ms = PRESSURE_MS;
	ret->options.prepared_starts = PREPARED_STARTS;
	r = opt_parse(&program, argc, argv, false, e);
	if (r < 0)
		return r;
	if (r < argc)
		return err_set(e, EINVAL, "unexpected argument %s", argv[r]);
	if (debug)
		log_debug_on();
	r = conf_read(config, strcmp(config, CONFIG) != 0, keys, e);
	if (r < 0)
		return r;
	if (!root)
		root = ret->cgroup_root ? ret->cgroup_root : "cells";
	r = check_root(root, e);
	if (r < 0)
		return r;
	if (!backend)
		backend = ret->backend ? ret->backend : "auto";
	r = check_backend(backend, e);
	if (r < 0)
		return r;
	ret->options.net.off = !network;
	ret->options.merge = merge;
	ret->options.load_modules = load_modules;
	r = net_parse_range(ret->network_range ? ret->network_range : NET_RANGE,
			    &ret->options.net, e);
	if (r == 0)
		r = net_parse_resolver(ret->dns ? ret->dns : "host",
				       &ret->options.net, e);
	if (r < 0)
		return r;
	ret->options.cgroup_root = root;
	ret->options.backend = backend;
	ret->options.stop_ms = stop_seconds * 1000;
	ret->profile = profile_new();
	if (!ret->profile)
		return err_oom(e, "read the hardware profiles");
	ret->options.profile = ret->profile;
	return read_profiles(&hardware, ret->profile, e);
}

void setup_fini(struct setup *s)
{
	profile_free(s->profile);
	free(s->cgroup_root);
	free(s->network_range);
	free(s->dns);
	free(s->backend);
}
