/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of this folder. */
#ifndef POLICYD_BUS_CONNECTION_INTERNAL_H
#define POLICYD_BUS_CONNECTION_INTERNAL_H

#include <systemd/sd-bus.h>

struct connection {
	sd_bus *bus;
};

#endif
