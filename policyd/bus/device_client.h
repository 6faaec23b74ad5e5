/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of org.cells.Device1, called without waiting. Each call that was
 * sent gets one answer, later, unless the connection is closed first.
 */
#ifndef POLICYD_BUS_DEVICE_CLIENT_H
#define POLICYD_BUS_DEVICE_CLIENT_H

#include "lib/err.h"
#include "policyd/bus/device_messages.h"

struct connection;
struct device_client;

/* Called when cellsd appears on the bus or leaves it. An instance that another
 * one replaces leaves first. */
typedef void device_client_owner_fn(void *arg, bool is_there);

int device_client_new(struct connection *connection, struct device_client **ret,
		      struct err *e);
/* Call after connection_close(). */
void device_client_free(struct device_client *c);

/* Starts to watch for cellsd. `changed` is not called before this returns. */
int device_client_watch(struct device_client *c,
			device_client_owner_fn *changed, void *arg,
			struct err *e);

enum device_result {
	DEVICE_DONE,
	DEVICE_REFUSED,	   /* by cellsd, with its reason */
	DEVICE_FAILED,	   /* the bus, or cellsd went away */
	DEVICE_UNREADABLE, /* the answer has another type */
};

/* After DEVICE_DONE, the members that the call asked for are set. */
struct device_answer {
	enum device_result result;
	struct err why; /* unless DEVICE_DONE */
	struct device_inventory inventory;
	json_t *digests; /* of layers */
	struct device_vp *vps;
	size_t n_vps;
	struct device_revoked *revoked;
	size_t n_revoked;
	uint64_t ns;
	json_t *details;
};

typedef void device_client_answer_fn(void *arg, const struct device_answer *a);

struct device_call {
	const char *what; /* for messages; not copied */
	device_client_answer_fn *done;
	void *arg;
	/* Drop the answer if cellsd leaves the bus first: the error of a call
	 * to an old instance can arrive while the next one is being asked. */
	bool of_this_cellsd;
};

/* Each returns 0 or -errno, and then `done` is not called. */
int device_client_get_inventory(struct device_client *c,
				const struct device_call *call);
int device_client_list_layers(struct device_client *c,
			      const struct device_call *call);
int device_client_list_vps(struct device_client *c,
			   const struct device_call *call);
/* Sets `revoked` and `ns`. */
int device_client_apply(struct device_client *c, const struct device_state *s,
			const struct device_call *call);
int device_client_give_layer(struct device_client *c, const char *digest,
			     int fd, const struct device_call *call);
int device_client_drop_layer(struct device_client *c, const char *digest,
			     const struct device_call *call);

/* A method that acts on a VP. */
struct device_command {
	const char *method, *vp;
	const char *id; /* NULL: the method takes none */
	enum { DEVICE_NOTHING, DEVICE_DETAILS, DEVICE_NS } output;
};
int device_client_run_command(struct device_client *c,
			      const struct device_command *command,
			      const struct device_call *call);
/* Lets cellsd forget the command, whose receipt is stored. The answer is
 * ignored. */
void device_client_forget_command(struct device_client *c, const char *id);

/* fd holds the VP's passcode, or its key if is_key. */
int device_client_unlock(struct device_client *c, const char *vp, int fd,
			 bool is_key, const struct device_call *call);
int device_client_set_passcode(struct device_client *c, const char *vp,
			       int old_fd, int new_fd,
			       const struct device_call *call);
int device_client_send_secrets(struct device_client *c, const char *vp, int fd,
			       const struct device_call *call);

static inline void device_client_freep(struct device_client **c)
{
	device_client_free(*c);
}

#endif
