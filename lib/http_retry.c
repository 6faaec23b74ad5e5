/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_retry.h"

#include "lib/err.h"
#include "lib/http.h"

#include <errno.h>
#include <time.h>

#define NS_PER_SEC UINT64_C(1000000000)

static int sleep_whole(uint64_t ns, struct err *e)
{
	struct timespec left = {
		.tv_sec = (time_t)(ns / NS_PER_SEC),
		.tv_nsec = (long)(ns % NS_PER_SEC),
	};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	return 0;
}

/* r and a: what http_call() brought. */
static bool is_retryable(const struct http_retry *p, int r,
			 const struct http_answer *a)
{
	if (p->only_announced)
		return r == 0 && (a->status == 429 || a->status == 503) &&
		       a->retry_after > 0 && a->retry_after <= p->wait_max;
	/* What cannot be made, or has another CA than the pinned one, does not
	 * get better. */
	if (r < 0)
		return r != -ENOMEM && r != -EFBIG && r != -EINVAL &&
		       r != -EKEYREJECTED;
	return a->status == 429 || a->status == 502 || a->status == 503 ||
	       a->status == 504;
}

static uint64_t get_wait_ns(const struct http_retry *p, unsigned int try,
			    unsigned int retry_after)
{
	if (retry_after > p->wait_max)
		retry_after = p->wait_max;
	return retry_after > 0 ? retry_after * NS_PER_SEC
			       : p->first_wait << (try - 1);
}

int http_retry_call(struct http *h, const struct http_request *rq,
		    const struct http_retry *policy, struct http_answer *ret,
		    struct err *e)
{
	for (unsigned int try = 1;; try++) {
		struct http_answer a = { 0 };
		int r = http_call(h, rq, &a, e);
		uint64_t ns;

		if (try == policy->tries || !is_retryable(policy, r, &a)) {
			if (r == 0)
				*ret = a;
			return r;
		}
		ns = get_wait_ns(policy, try, a.retry_after);
		http_answer_fini(&a);
		r = policy->wait ? policy->wait(ns, e) : sleep_whole(ns, e);
		if (r < 0)
			return r;
	}
}
