/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd-bus, with what each daemon and cellsctl need: connecting, who the caller
 * is, and errors that carry reason codes: org.cells.Error.X, X being the code
 * without "err." and with "_" for "-"; the message is the line for people.
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

/* For a daemon, before it connects: what a large message took goes back to the
 * system. Sets malloc for the whole process. */
void bus_limit_memory(void);

/* The system bus (DBUS_SYSTEM_BUS_ADDRESS moves it), which the caller closes.
 */
int bus_open(sd_bus **ret, struct err *e);

/* Who may call a method. */
enum bus_who {
	BUS_ROOT = 1,
	BUS_AGENT = 2,	/* user cells-agent */
	BUS_POLICY = 4, /* user cells-policy */
	BUS_GROUP = 8,	/* members of group cells */
};

/*
 * Is the sender one of those? By effective user and groups as the bus knows
 * them from the caller's connection. Root is BUS_ROOT only. 0, -EACCES or
 * another.
 */
int bus_check_caller(sd_bus_message *m, unsigned int who, struct err *e);

/* A call of a method of the interface `name`, which the service of that name
 * has at `path`; the caller appends the arguments and unrefs it. */
int bus_new_call(sd_bus *bus, const char *name, const char *path,
		 const char *method, sd_bus_message **ret, struct err *e);
/* Sends the call and waits for the answer; *ret may be NULL. `what` is for
 * messages; timeout_us of UINT64_MAX: as long as it takes. */
int bus_send_call(sd_bus *bus, sd_bus_message *m, uint64_t timeout_us,
		  const char *what, sd_bus_message **ret, struct err *e);

/* Answers a method call with e; returns what a sd-bus handler has to. */
int bus_reply_err(sd_bus_message *m, const struct err *e);

/* A failed call's sd_bus_error as e, with the reason that it names; without one
 * (NULL) `r`, a negative errno. Returns that. */
int bus_convert_error(const sd_bus_error *error, int r, const char *what,
		      struct err *e);

static inline void bus_closep(sd_bus **b)
{
	sd_bus_flush_close_unref(*b);
}

#endif
