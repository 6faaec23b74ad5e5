/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/config.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"
#include "policyd/daemon.h"

#define CONF_DEFAULT "/etc/cells/cells-policyd.conf"
#define STATE_DEFAULT "/var/lib/cells/cells-policyd"
#define RUN_DEFAULT "/run/cells"
#define RESERVE_DEFAULT (UINT64_C(4) * 1024 * 1024)

struct settings {
	const char *config, *state_dir, *run_dir;
	bool check_config, debug;
	uint64_t reserve;
};

static int report_failure(const struct err *e)
{
	log_error("%s", e->text);
	return EXIT_FAILURE;
}

static int run_daemon(const struct settings *s)
{
	const struct daemon_options options = {
		.state_dir = s->state_dir,
		.storage_reserve = s->reserve,
	};
	AUTO(daemon_freep) struct policyd *p = NULL;
	struct err e;

	if (daemon_new(&options, &p, &e) < 0 || daemon_run(p, &e) < 0)
		return report_failure(&e);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct settings s = { .state_dir = STATE_DEFAULT,
			      .run_dir = RUN_DEFAULT,
			      .reserve = RESERVE_DEFAULT };
	const struct opt opts[] = {
		{ "config", 'c', OPT_STRING, &s.config, "FILE",
		  "configuration (" CONF_DEFAULT ")" },
		{ "state-dir", 0, OPT_STRING, &s.state_dir, "DIR",
		  "what is kept (" STATE_DEFAULT ")" },
		{ "run-dir", 0, OPT_STRING, &s.run_dir, "DIR",
		  "run-time files (" RUN_DEFAULT ")" },
		{ "check-config", 0, OPT_FLAG, &s.check_config, NULL,
		  "read the configuration and end" },
		{ "debug", 0, OPT_FLAG, &s.debug, NULL, "log more" },
		{ NULL },
	};
	const struct opt_program program = {
		"cells-policyd", "",
		"Verifies what administrators sign, decides, signs receipts.",
		opts
	};
	const struct config_key keys[] = {
		{ "storage-reserve", CONFIG_NUMBER, &s.reserve, 0, INT64_MAX },
		{ NULL },
	};
	struct err e;
	int r = opt_parse(&program, argc, argv, false, &e);

	log_open("cells-policyd");
	if (r == -ECANCELED)
		return EXIT_SUCCESS;
	if (r >= 0 && r < argc)
		r = err_set(&e, EINVAL, "'%s': no argument is taken", argv[r]);
	if (r < 0) {
		log_error("%s", e.text);
		return EXIT_USAGE;
	}
	r = config_read(s.config ? s.config : CONF_DEFAULT, s.config != NULL,
			keys, &e);
	if (r < 0)
		return report_failure(&e);
	if (s.check_config)
		return EXIT_SUCCESS;
	log_daemon();
	if (s.debug)
		log_debug_on();
	return run_daemon(&s);
}
