/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/settings.h"

#include "lib/config.h"

#include <stdlib.h>

int settings_read(struct settings *s, const char *path, int must_exist,
		  struct err *e)
{
	const struct conf_key keys[] = {
		{ "admin-listen", CONF_STRING, &s->admin_listen },
		{ "admin-port", CONF_NUMBER, &s->admin_port, 0, 65535 },
		{ "device-listen", CONF_STRING, &s->device_listen },
		{ "device-port", CONF_NUMBER, &s->device_port, 0, 65535 },
		{ "connections", CONF_NUMBER, &s->connections, 16, 1000000 },
		{ "admin-connections", CONF_NUMBER, &s->admin_connections, 16,
		  1000000 },
		{ "address-connections", CONF_NUMBER, &s->address_connections,
		  1, 1000000 },
		{ "admit-rate", CONF_NUMBER, &s->admit_rate, 1, 1000000 },
		{ "token-rate", CONF_NUMBER, &s->token_rate, 1, 1000000 },
		{ "address-rate", CONF_NUMBER, &s->address_rate, 1, 1000000 },
		{ "login-rate", CONF_NUMBER, &s->login_rate, 1, 100000 },
		{ "stall-seconds", CONF_NUMBER, &s->stall_seconds, 1, 3600 },
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
	return conf_read(path, must_exist, keys, e);
}

void settings_fini(struct settings *s)
{
	free(s->admin_listen);
	free(s->device_listen);
}
