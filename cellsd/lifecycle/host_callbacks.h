/* SPDX-License-Identifier: Apache-2.0 */
/* What happens on the device, as lifecycle/ reports it upwards. */
#ifndef CELLSD_LIFECYCLE_HOST_CALLBACKS_H
#define CELLSD_LIFECYCLE_HOST_CALLBACKS_H

#include <stdint.h>

#include "cellsd/device/backend.h"
#include "cellsd/device/open_handles.h"
#include "cellsd/limits.h"
#include "cellsd/vp/vp_state.h"

#include <cells/class.h>

struct err;

struct host_revoked {
	unsigned int n;
	struct host_revocation {
		char vp[VP_NAME_SIZE];
		enum cells_class cls;
		struct open_handles_count count;
	} row[VPS_MAX * CELLS_CLASS_COUNT];
};

/* Set by cellsd/bus/. Each member must be there. */
struct host_callbacks {
	void (*switched)(void *arg, const char *from, const char *to,
			 uint64_t generation, const char *cause, uint64_t ns);
	void (*changed)(void *arg, const char *vp, enum vp_state s,
			const char *cause);
	void (*event)(void *arg, const char *event, const char *vp,
		      enum cells_class cls, const struct backend_event *ev,
		      const char *cause);
	void (*revoked)(void *arg, const struct host_revoked *r, uint64_t ns,
			const char *cause);
	void (*idle)(void *arg, const char *vp);
	/* A VP that the device was to start by itself did not start. */
	void (*start_failed)(void *arg, const char *vp, const char *cause,
			     const struct err *why);
	void *arg;
};

#endif
