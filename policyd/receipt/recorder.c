/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/receipt/recorder.h"

#include "lib/clock.h"
#include "policyd/document/secure_time.h"

int64_t recorder_get_time(const struct recorder *r)
{
	int64_t wall = clock_wall();
	int64_t secure = secure_time_get_presumed(r->time, clock_boot_ns());

	return wall > secure ? wall : secure;
}
