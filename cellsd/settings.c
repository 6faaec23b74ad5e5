/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/settings.h"

#include "cellsd/device/profile.h"
#include "cellsd/lifecycle/prestart.h"
#include "cellsd/lifecycle/psi.h"
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

static int read_hardware_profiles(const struct opt_list *files,
				  struct profile *p, struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < files->n; i++)
		r = profile_read_file(p, files->item[i], e);
	if (files->n > 0)
		return r;
	r = profile_read_folder(p, PROFILES, e);
	return r < 0 ? r : profile_read_folder(p, LOCAL_PROFILES, e);
}

static int check_cgroup_root(const char *name, struct err *e)
{
	/* One new folder below the top, and never the top itself. */
	if (!encoding_is_valid_id(name))
		return err_set(e, EINVAL, "cgroup root '%.70s': not a name",
			       name);
	return 0;
}

static int check_backend_name(const char *name, struct err *e)
{
	static const char *const names[] = { "auto", "devns", "cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return 0;
	return err_set(e, EINVAL, "backend '%.40s': not auto, devns or cgroup",
		       name);
}

/* What the command line says beside the settings' own fields. */
struct command_line {
	const char *config, *cgroup_root, *backend;
	struct opt_list profiles;
	bool debug;
};

static int parse_command_line(int argc, char **argv, struct settings *s,
			      struct command_line *ret, struct err *e)
{
	const struct opt opts[] = {
		{ "config", 0, OPT_STRING, &ret->config, "FILE",
		  "configuration" },
		{ "state-dir", 0, OPT_STRING, &s->options.state_dir, "DIR",
		  "what must be remembered, and the VPs' data" },
		{ "run-dir", 0, OPT_STRING, &s->options.run_dir, "DIR",
		  "run-time files" },
		{ "cgroup-root", 0, OPT_STRING, &ret->cgroup_root, "NAME",
		  "cgroup that VPs are put under" },
		{ "backend", 0, OPT_STRING, &ret->backend, "NAME",
		  "devns, cgroup, or auto: devns where the module is" },
		{ "hardware", 0, OPT_LIST, &ret->profiles, "FILE",
		  "hardware profile, instead of the installed ones" },
		{ "check-config", 0, OPT_FLAG, &s->check_only, NULL,
		  "read everything, say what is wrong, and end" },
		{ "debug", 0, OPT_FLAG, &ret->debug, NULL, "log more" },
		{ NULL },
	};
	const struct opt_program program = { "cellsd", "",
					     "Runs virtual phones.", opts };
	int r = opt_parse(&program, argc, argv, false, e);

	if (r >= 0 && r < argc)
		return err_set(e, EINVAL, "unexpected argument %s", argv[r]);
	return r < 0 ? r : 0;
}

static int read_config_file(const char *path, struct settings *s, struct err *e)
{
	struct host_options *o = &s->options;
	bool network = true;
	uint64_t stop_seconds = STOP_SECONDS;
	const struct config_key keys[] = {
		{ "cgroup-root", CONFIG_STRING, &s->cgroup_root, 0, 0 },
		{ "backend", CONFIG_STRING, &s->backend, 0, 0 },
		{ "network", CONFIG_BOOL, &network, 0, 0 },
		{ "network-range", CONFIG_STRING, &s->network_range, 0, 0 },
		{ "dns", CONFIG_STRING, &s->dns, 0, 0 },
		{ "merge-memory", CONFIG_BOOL, &o->merge, 0, 0 },
		{ "load-modules", CONFIG_BOOL, &o->load_modules, 0, 0 },
		{ "pressure-ms", CONFIG_NUMBER, &o->pressure_ms, 0,
		  PSI_STALL_MS_MAX },
		{ "prepared-starts", CONFIG_NUMBER, &o->prepared_starts, 0,
		  PRESTART_LIMIT_MAX },
		{ "stop-seconds", CONFIG_NUMBER, &stop_seconds, 0,
		  STOP_SECONDS_MAX },
		{ NULL },
	};
	int r = config_read(path, strcmp(path, CONFIG) != 0, keys, e);

	o->net.off = !network;
	o->stop_ms = stop_seconds * 1000;
	return r;
}

/* The command line wins over the file, the file over the default. */
static const char *choose_value(const char *argument, const char *from_file,
				const char *otherwise)
{
	return argument ? argument : from_file ? from_file : otherwise;
}

static int check_settings(struct settings *s, const struct command_line *cl,
			  struct err *e)
{
	struct host_options *o = &s->options;
	int r;

	o->cgroup_root = choose_value(cl->cgroup_root, s->cgroup_root, "cells");
	o->backend = choose_value(cl->backend, s->backend, "auto");
	r = check_cgroup_root(o->cgroup_root, e);
	if (r == 0)
		r = check_backend_name(o->backend, e);
	if (r == 0)
		r = net_parse_range(
			choose_value(NULL, s->network_range, NET_RANGE),
			&o->net, e);
	if (r == 0)
		r = net_parse_resolver(choose_value(NULL, s->dns, "host"),
				       &o->net, e);
	return r;
}

int settings_read(int argc, char **argv, struct settings *ret, struct err *e)
{
	struct command_line cl = { .config = CONFIG };
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->options = (struct host_options){
		.state_dir = "/var/lib/cells/cellsd",
		.run_dir = "/run/cells",
		.pressure_ms = PSI_STALL_MS,
		.prepared_starts = PRESTART_LIMIT,
		.merge = true,
		.load_modules = true,
	};
	r = parse_command_line(argc, argv, ret, &cl, e);
	if (r < 0)
		return r;
	if (cl.debug)
		log_debug_on();
	r = read_config_file(cl.config, ret, e);
	if (r == 0)
		r = check_settings(ret, &cl, e);
	if (r < 0)
		return r;
	ret->profile = profile_new();
	if (!ret->profile)
		return err_oom(e, "read the hardware profiles");
	ret->options.profile = ret->profile;
	return read_hardware_profiles(&cl.profiles, ret->profile, e);
}

void settings_fini(struct settings *s)
{
	profile_free(s->profile);
	free(s->cgroup_root);
	free(s->network_range);
	free(s->dns);
	free(s->backend);
}
