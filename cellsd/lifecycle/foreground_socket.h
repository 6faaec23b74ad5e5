/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VP's socket to the foreground, cells-vp(7): it learns whether it is in
 * front, and asks for attention. Which VP asks is known by which socket is
 * used. All of it is in a VP's hands: whatever it sends or leaves unread costs
 * cellsd a few bytes.
 */
#ifndef CELLSD_LIFECYCLE_FOREGROUND_SOCKET_H
#define CELLSD_LIFECYCLE_FOREGROUND_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct err;
struct foreground;
struct foreground_socket;
struct host_callbacks;
struct idle;
struct vp;
struct vp_conf;
struct vp_table;

#define FOREGROUND_SOCKET_NAME "front" /* below /run/cells */
#define FOREGROUND_SOCKET_QUIET_NS                                             \
	UINT64_C(5000000000) /* after input nothing switches */
#define FOREGROUND_SOCKET_BURST 3
#define FOREGROUND_SOCKET_EACH_NS UINT64_C(10000000000)

/* What comes of a request; the words that the VP and the audit read. */
enum foreground_socket_result {
	FOREGROUND_SOCKET_SWITCHED,
	FOREGROUND_SOCKET_NOTIFIED,
	FOREGROUND_SOCKET_FOREGROUND,
	FOREGROUND_SOCKET_IGNORED,
	FOREGROUND_SOCKET_LIMITED,
	FOREGROUND_SOCKET_UNKNOWN,
	FOREGROUND_SOCKET_COUNT,
};
const char *foreground_socket_result_name(enum foreground_socket_result end);

/*
 * What the config decides on a request of that kind ("call"): switched,
 * notified or ignored; unknown if there is no such kind. `quiet`: nobody uses
 * the device.
 */
enum foreground_socket_result
foreground_socket_decide_request(const struct vp_conf *c, const char *kind,
				 bool quiet);

/* So many requests at once, then one each so often. */
struct foreground_socket_bucket {
	unsigned int taken;
	uint64_t since_ns;
};
/* May there be one at now_ns (of a clock that only advances)? Takes it then. */
bool foreground_socket_bucket_consume(struct foreground_socket_bucket *b,
				      uint64_t now_ns);

/* As foreground_switch(), which is above this. */
typedef int foreground_socket_switch_fn(struct foreground *f, struct vp *v,
					const char *cause, uint64_t *ret_ns,
					struct err *e);

/* What a socket works on. */
struct foreground_socket_options {
	sd_event *loop;
	const struct vp_table *vps;
	const struct idle *idle;
	const struct host_callbacks *callbacks;
	foreground_socket_switch_fn *switch_to;
	struct foreground *foreground;
};

/* Offers the socket in the VP's /run, instead of one that an earlier daemon
 * left. What is made of v has it from then on, to be closed before that is. */
int foreground_socket_open(const struct foreground_socket_options *o,
			   struct vp *v, int run, struct err *e);
void foreground_socket_close(struct foreground_socket *a);

/* Notifies a VP that it is in front, or no longer. */
void foreground_socket_send_foreground(const struct vp *v, bool in_front);

#endif
