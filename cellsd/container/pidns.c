/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/pidns.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pidns_enter(int pidfd, int *ret, struct err *e)
{
	auto_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	if (own < 0)
		return err_sys(e, errno, "open our pid namespace");
	if (setns(pidfd, CLONE_NEWPID) < 0)
		return errno == ESRCH
			       ? err_reason(e, REASON_VP_STATE,
					    "enter the VP's pid namespace: the "
					    "VP has ended")
			       : err_sys(e, errno,
					 "enter the VP's pid namespace");
	*ret = steal_fd(own);
	return 0;
}

void pidns_leave(int own)
{
	if (setns(own, CLONE_NEWPID) < 0) {
		log_error("leave a VP's pid namespace: %s", strerror(errno));
		abort();
	}
	close(own);
}
