/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The D-Bus calls of cellsctl to the daemons, with plain data as arguments and
 * results. Each call waits for its answer. An error is a complete line for
 * people.
 */
#ifndef CELLSCTL_DAEMON_CLIENT_H
#define CELLSCTL_DAEMON_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/json.h"

struct daemon_client;
struct err;

int daemon_client_new(struct daemon_client **ret, struct err *e);
void daemon_client_free(struct daemon_client *c);

/* ---- cellsd: org.cells.Device1 */

/* The VPs and their properties: "vps" and "generation". */
int daemon_client_list_vps(struct daemon_client *c, json_t **ret,
			   struct err *e);
/*
 * The settings that the machine does not enforce: objects with what, why,
 * remedy.
 */
int daemon_client_list_unsupported(struct daemon_client *c, json_t **ret,
				   struct err *e);

/* Brings a VP to the front; "" is the host. */
int daemon_client_switch_vp(struct daemon_client *c, const char *vp,
			    struct err *e);
/* By Next or Previous; the caller frees *ret, the VP now in front. */
int daemon_client_switch_by(struct daemon_client *c, const char *method,
			    char **ret, struct err *e);

/* The caller closes *ret_fd. */
int daemon_client_open_console(struct daemon_client *c, const char *vp,
			       int *ret_fd, struct err *e);

/* A program that runs in a VP. */
struct daemon_client_exec;

/*
 * Starts a program with `files` as its standard files, which the caller keeps.
 */
int daemon_client_exec_start(struct daemon_client *c, const char *vp,
			     char **command, const int files[3],
			     struct daemon_client_exec **ret, struct err *e);
/* A descriptor that becomes readable when the program may have ended. */
int daemon_client_exec_get_fd(const struct daemon_client_exec *x);
/*
 * Returns whether the program has ended or the bus is lost. `x` is a struct
 * daemon_client_exec.
 */
bool daemon_client_exec_is_finished(void *x);
/* Returns the exit status of a finished program, or the error of the call. */
int daemon_client_exec_get_status(const struct daemon_client_exec *x,
				  struct err *e);
void daemon_client_exec_free(struct daemon_client_exec *x);

/* ---- cells-policyd: org.cells.Policy1 */

/* A call with up to two texts (NULL: none); the caller frees *ret, the answer.
 */
int daemon_client_get_policy_text(struct daemon_client *c, const char *method,
				  const char *a, const char *b, char **ret,
				  struct err *e);
/* The same where the answer is a JSON object; the caller owns *ret. */
int daemon_client_get_policy_json(struct daemon_client *c, const char *method,
				  const char *a, const char *b, json_t **ret,
				  struct err *e);

int daemon_client_reset(struct daemon_client *c, struct err *e);

struct daemon_client_secret {
	const char *data;
	size_t len;
};
/*
 * A call with a name and secrets, of which no copy remains. `what` is for
 * messages.
 */
int daemon_client_send_secrets(struct daemon_client *c, const char *method,
			       const char *name,
			       const struct daemon_client_secret *secrets,
			       size_t n, const char *what, struct err *e);

static inline void daemon_client_exec_freep(struct daemon_client_exec **x)
{
	daemon_client_exec_free(*x);
}

static inline void daemon_client_freep(struct daemon_client **c)
{
	daemon_client_free(*c);
}

#endif
