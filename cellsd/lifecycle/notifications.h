/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VP's socket to the foreground, cells-vp(7): it learns whether it is in
 * front, and asks for attention. Which VP asks is known by which socket is
 * used. All of it is in a VP's hands: whatever it sends or leaves unread costs
 * cellsd a few bytes.
 */
#ifndef CELLSD_LIFECYCLE_NOTIFICATIONS_H
#define CELLSD_LIFECYCLE_NOTIFICATIONS_H

#include <stdbool.h>
#include <stdint.h>

struct notifications;
struct err;
struct host;
struct vp;
struct vp_conf;

#define NOTIFICATIONS_SOCKET "front" /* below /run/cells */
#define NOTIFICATIONS_QUIET_NS                                                 \
	UINT64_C(5000000000) /* after input nothing switches */
#define NOTIFICATIONS_BURST 3
#define NOTIFICATIONS_EACH_NS UINT64_C(10000000000)

/* What comes of a request; the words that the VP and the audit read. */
enum notifications_result {
	NOTIFICATIONS_SWITCHED,
	NOTIFICATIONS_NOTIFIED,
	NOTIFICATIONS_FOREGROUND,
	NOTIFICATIONS_IGNORED,
	NOTIFICATIONS_LIMITED,
	NOTIFICATIONS_UNKNOWN,
	NOTIFICATIONS_COUNT,
};
const char *notifications_result_name(enum notifications_result end);

/*
 * What the config decides on a request of that kind ("call"): switched,
 * notified or ignored; unknown if there is no such kind. `quiet`: nobody uses
 * the device.
 */
enum notifications_result notifications_decide_request(const struct vp_conf *c,
						       const char *kind,
						       bool quiet);

/* So many requests at once, then one each so often. */
struct notifications_bucket {
	unsigned int taken;
	uint64_t since_ns;
};
/* May there be one at now_ns (of a clock that only advances)? Takes it then. */
bool notifications_bucket_consume(struct notifications_bucket *b,
				  uint64_t now_ns);

/* As foreground_switch(), which notifies VPs of what it does: it is above
 * this. */
typedef int notifications_switch_fn(struct host *h, struct vp *v,
				    const char *cause, uint64_t *ret_ns,
				    struct err *e);

/* Offers the socket in the VP's /run, instead of one that an earlier daemon
 * left. What is made of v has it from then on, to be closed before that is. */
int notifications_open(struct host *h, struct vp *v, int run,
		       notifications_switch_fn *switch_to, struct err *e);
void notifications_close(struct notifications *a);

/* Notifies a VP that it is in front, or no longer. */
void notifications_send_foreground(const struct vp *v, bool in_front);

#endif
