/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/settings.h"

#include "lib/config.h"

#include <stdlib.h>

int settings_read(struct settings *s, const char *path, int must_exist,
		  struct err *e)
{
	const struct config_key keys[] = {
		{ "admin-listen", CONFIG_STRING, &s->admin_listen },
		{ "admin-port", CONFIG_NUMBER, &s->admin_port, 0, 65535 },
		{ "device-listen", CONFIG_STRING, &s->device_listen },
		{ "device-port", CONFIG_NUMBER, &s->device_port, 0, 65535 },
		{ "connections", CONFIG_NUMBER, &s->connections, 16, 1000000 },
		{ "admin-connections", CONFIG_NUMBER, &s->admin_connections, 16,
		  1000000 },
		{ "address-connections", CONFIG_NUMBER, &s->address_connections,
		  1, 1000000 },
		{ "admit-rate", CONFIG_NUMBER, &s->admit_rate, 1, 1000000 },
		{ "token-rate", CONFIG_NUMBER, &s->token_rate, 1, 1000000 },
		{ "address-rate", CONFIG_NUMBER, &s->address_rate, 1, 1000000 },
		{ "login-rate", CONFIG_NUMBER, &s->login_rate, 1, 100000 },
		{ "stall-seconds", CONFIG_NUMBER, &s->stall_seconds, 1, 3600 },
		{ NULL },
	};

	*s = (struct settings){
		.admin_port = 8443,
		.device_port = 8444,
		.connections = 16000,
		.admin_connections = 2000,
		.address_connections = 256,
		.admit_rate = 500,
		.token_rate = 1000,
		.address_rate = 200,
		.login_rate = 20,
		.stall_seconds = 30,
	};
	return config_read(path, must_exist, keys, e);
}

void settings_fini(struct settings *s)
{
	free(s->admin_listen);
	free(s->device_listen);
}
