/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"
#include "lib/auto.h"
#include "lib/config.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"

#include <stdbool.h>
#include <sys/stat.h>

#define CONFIG SYSCONFDIR "/cells/cells-agent.conf"
#define STATE_DIR "/var/lib/cells/cells-agent"
#define RUN_DIR "/run/cells"
#define MIB (UINT64_C(1) << 20)

struct options {
	const char *config, *state_dir, *run_dir;
	bool check_config, debug;
};

static int parse_args(int argc, char **argv, struct options *o, struct err *e)
{
	const struct opt opts[] = {
		{ "config", 'c', OPT_STRING, &o->config, "FILE",
		  "configuration file" },
		{ "state-dir", 0, OPT_STRING, &o->state_dir, "DIR",
		  "keys and enrollment (" STATE_DIR ")" },
		{ "run-dir", 0, OPT_STRING, &o->run_dir, "DIR",
		  "not used by this daemon (" RUN_DIR ")" },
		{ "check-config", 0, OPT_FLAG, &o->check_config, NULL,
		  "read the configuration and stop" },
		{ "debug", 0, OPT_FLAG, &o->debug, NULL, "log more" },
		{ 0 },
	};
	const struct opt_program program = {
		.name = "cells-agent",
		.args = "",
		.summary = "Moves bytes between the server and cells-policyd.",
		.opts = opts,
	};
	int first = opt_parse(&program, argc, argv, true, e);

	if (first >= 0 && first < argc)
		return err_set(e, EINVAL, "unknown argument '%s'", argv[first]);
	return first;
}

static int read_config(const struct options *o, struct agent_config *conf,
		       struct err *e)
{
	const struct config_key keys[] = {
		{ "server", CONFIG_STRING, &conf->server },
		{ "speed-limit", CONFIG_NUMBER, &conf->speed_limit, 0,
		  UINT64_C(1) << 40 },
		{ "parallel", CONFIG_NUMBER, &conf->parallel, 1, 8 },
		{ "memory-max", CONFIG_NUMBER, &conf->memory_max, 8 * MIB,
		  1024 * MIB },
		{ 0 },
	};

	conf->parallel = 4;
	conf->memory_max = 64 * MIB;
	conf->state_dir = o->state_dir;
	return config_read(o->config ? o->config : CONFIG, o->config != NULL,
			   keys, e);
}

int main(int argc, char **argv)
{
	struct options o = { .state_dir = STATE_DIR, .run_dir = RUN_DIR };
	AUTO(agent_freep) struct agent *a = NULL;
	struct agent_config conf = { 0 };
	struct err e;
	int r;

	log_open("cells-agent");
	umask(0077);
	r = parse_args(argc, argv, &o, &e);
	if (r == -ECANCELED)
		return EXIT_SUCCESS;
	if (r < 0) {
		log_error("%s", e.text);
		return EXIT_USAGE;
	}
	r = read_config(&o, &conf, &e);
	if (r == 0 && !o.check_config) {
		log_daemon();
		if (o.debug)
			log_debug_on();
		r = agent_new(&conf, &a, &e);
		if (r == 0)
			r = agent_run(a, &e);
	}
	if (r < 0)
		log_error("%s", e.text);
	agent_free(steal(a));
	free(conf.server);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
