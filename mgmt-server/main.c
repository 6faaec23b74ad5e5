/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/opt.h"
#include "mgmt-server/api/route.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/init.h"
#include "mgmt-server/mgmtd.h"

#include <errno.h>
#include <string.h>

static struct init_options init_options = {
	.dir = "/var/lib/cells/cells-mgmtd"
};
static const char *config = "/etc/cells/cells-mgmtd.conf";
static const char *run_dir = "/run/cells";
static bool check_only, debug, routes;

static const struct opt options[] = {
	{ "dir", 0, OPT_STRING, &init_options.dir, "DIR",
	  "keys, database and chunks" },
	{ "state-dir", 0, OPT_STRING, &init_options.dir, "DIR", "the same" },
	{ "run-dir", 0, OPT_STRING, &run_dir, "DIR", "where the ports go" },
	{ "config", 0, OPT_STRING, &config, "FILE", "configuration file" },
	{ "check-config", 0, OPT_FLAG, &check_only, NULL, "test it, and end" },
	{ "print-routes", 0, OPT_FLAG, &routes, NULL, "list the REST routes" },
	{ "debug", 0, OPT_FLAG, &debug, NULL, "log more" },
	{ "org", 0, OPT_STRING, &init_options.org, "NAME",
	  "init: the organisation's id" },
	{ "host", 0, OPT_LIST, &init_options.hosts, "NAME",
	  "init: a name or address of this server" },
	{ "admin", 0, OPT_FLAG, &init_options.admin, NULL,
	  "new-token: of role admin" },
	{ NULL },
};

static const struct opt_program program = {
	"cells-mgmtd", "[init | new-director | new-token | verify-store]",
	"Serves administrators and devices; see cells-mgmtd(8).", options
};

static int run_server(bool must_exist, struct err *e)
{
	AUTO(mgmtd_freep) struct server *s = NULL;
	auto_free char *run_file = io_join(run_dir, "cells-mgmtd.ports");
	struct settings conf;
	int r = settings_read(&conf, config, must_exist, e);

	if (r < 0 || check_only) {
		settings_fini(&conf);
		return r;
	}
	r = mgmtd_open(init_options.dir, &conf, &s, e);
	if (r == 0)
		r = io_mkdirs(run_dir, 0755, e);
	return r < 0 ? r : mgmtd_run(s, run_file, debug, e);
}

int main(int argc, char **argv)
{
	const char *usual = config;
	struct err e = { 0 };
	int first, r;

	log_open("cells-mgmtd");
	first = opt_parse(&program, argc, argv, true, &e);
	if (first == -ECANCELED)
		return EXIT_SUCCESS;
	if (first < 0 || argc - first > 1) {
		log_error("%s", first < 0 ? e.text : "too many arguments");
		return EXIT_USAGE;
	}
	if (debug)
		log_debug_on();
	if (routes) {
		route_print_table();
		return EXIT_SUCCESS;
	}
	if (first < argc) {
		r = init_run_verb(argv[first], &init_options, &e);
	} else {
		log_daemon();
		r = run_server(config != usual, &e);
	}
	if (r < 0)
		log_error("%s", e.text);
	return r == -ENOSYS ? EXIT_USAGE : r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
