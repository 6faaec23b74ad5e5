/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VP's socket to the foreground, cells-vp(7): it learns whether it is in
 * front, and asks for attention. Which VP asks is known by which socket is
 * used. All of it is in a VP's hands: whatever it sends or leaves unread costs
 * cellsd a few bytes.
 */
#ifndef CELLSD_NOTIFICATIONS_H
#define CELLSD_NOTIFICATIONS_H

#include <stdbool.h>
#include <stdint.h>

struct attention;
struct err;
struct host;
struct vp;
struct vp_conf;

#define ATTENTION_SOCKET "front" /* below /run/cells */
#define ATTENTION_QUIET_NS                                                     \
	UINT64_C(5000000000) /* after input nothing switches */
#define ATTENTION_BURST 3
#define ATTENTION_EACH_NS UINT64_C(10000000000)

/* What comes of a request; the words that the VP and the audit read. */
enum attention_end {
	ATTENTION_SWITCHED,
	ATTENTION_NOTIFIED,
	ATTENTION_FOREGROUND,
	ATTENTION_IGNORED,
	ATTENTION_LIMITED,
	ATTENTION_UNKNOWN,
	ATTENTION_COUNT,
};
const char *attention_name(enum attention_end end);

/*
 * What the config decides on a request of that kind ("call"): switched,
 * notified or ignored; unknown if there is no such kind. `quiet`: nobody uses
 * the device.
 */
enum attention_end attention_decide(const struct vp_conf *c, const char *kind,
				    bool quiet);

/* So many requests at once, then one each so often. */
struct attention_bucket {
	unsigned int taken;
	uint64_t since_ns;
};
/* May there be one at now_ns (of a clock that only advances)? Takes it then. */
bool attention_take(struct attention_bucket *b, uint64_t now_ns);

/* As front_switch(), which tells VPs of what it does: it stands above this. */
typedef int attention_switch_fn(struct host *h, struct vp *v, const char *cause,
				uint64_t *ret_ns, struct err *e);

/* Offers the socket in the VP's /run, instead of one that an earlier daemon
 * left. What is made of v has it from then on, to be closed before that is. */
int attention_open(struct host *h, struct vp *v, int run,
		   attention_switch_fn *switch_to, struct err *e);
void attention_close(struct attention *a);

/* Tells a VP that it is in front, or no longer. */
void attention_tell(const struct vp *v, bool in_front);

#endif
