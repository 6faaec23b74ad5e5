/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of this folder. */
#ifndef POLICYD_BUS_REPLY_INTERNAL_H
#define POLICYD_BUS_REPLY_INTERNAL_H

#include <systemd/sd-bus.h>

struct reply;

/* To that call; NULL: no memory. */
struct reply *reply_new(sd_bus_message *call);

#endif
