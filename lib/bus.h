/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers for sd-bus that the daemons and cellsctl share: connecting, checking
 * the caller, and errors with reason codes. The D-Bus name of an error is
 * org.cells.Error.X, where X is the code without "err." and with "_" for "-".
 * The message is the line for people.
 */
#ifndef LIB_BUS_H
#define LIB_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

struct err;

#define BUS_POLICY_NAME "org.cells.Policy1"
#define BUS_POLICY_PATH "/org/cells/Policy1"
#define BUS_DEVICE_NAME "org.cells.Device1"
#define BUS_DEVICE_PATH "/org/cells/Device1"

/*
 * Call in a daemon before it connects: memory of a large message is then
 * returned to the system. Configures malloc for the whole process.
 */
void bus_limit_memory(void);

/*
 * Connects to the system bus (or to DBUS_SYSTEM_BUS_ADDRESS). The caller closes
 * it.
 */
int bus_open(sd_bus **ret, struct err *e);

/* The callers that are allowed to call a method. */
enum bus_who {
	BUS_ROOT = 1,
	BUS_AGENT = 2,	/* user cells-agent */
	BUS_POLICY = 4, /* user cells-policy */
	BUS_GROUP = 8,	/* members of group cells */
};

/*
 * Checks that the sender is one of those, by the effective user and groups that
 * the bus reports for the connection of the caller. Root is BUS_ROOT only.
 * Returns 0, -EACCES or another error.
 */
int bus_check_caller(sd_bus_message *m, unsigned int who, struct err *e);

/*
 * Creates a method call of the interface `name` at `path`. The caller appends
 * the arguments and unrefs the message.
 */
int bus_new_call(sd_bus *bus, const char *name, const char *path,
		 const char *method, sd_bus_message **ret, struct err *e);
/*
 * Sends the call and waits for the answer; *ret may be NULL. `what` is for
 * messages. A timeout_us of UINT64_MAX waits without a limit.
 */
int bus_send_call(sd_bus *bus, sd_bus_message *m, uint64_t timeout_us,
		  const char *what, sd_bus_message **ret, struct err *e);

/*
 * Answers a method call with the error e; returns the value for the sd-bus
 * handler to return.
 */
int bus_reply_err(sd_bus_message *m, const struct err *e);

/*
 * Converts the sd_bus_error of a failed call to e, with its reason code. If it
 * is NULL, uses `r`, a negative errno. Returns the error.
 */
int bus_convert_error(const sd_bus_error *error, int r, const char *what,
		      struct err *e);

static inline void bus_closep(sd_bus **b)
{
	sd_bus_flush_close_unref(*b);
}

#endif
