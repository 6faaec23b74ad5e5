/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of the machine as who lists it describes it: what its classes and
 * its being reserved are decided by, so that neither asks the system.
 */
#ifndef CELLSD_DEVICE_DEVICE_FACTS_H
#define CELLSD_DEVICE_DEVICE_FACTS_H

#include <sys/types.h>

#include "cellsd/device/profile.h"

struct device_facts {
	struct profile_device ask;
	/* An attribute of the nearest device above it, or of itself, that is of
	 * that subsystem and type (NULL: any). */
	const char *(*above)(void *arg, const char *subsystem, const char *type,
			     const char *attribute);
	const char *path; /* in sysfs */
	/* The path of the piece of hardware that a raw node reaches, or NULL.
	 */
	const char *(*hardware)(void *arg);
	dev_t number;
	uint64_t instance;
	const char *consoles; /* the host's, words: "tty0 ttyS0" */
	bool in_use;	      /* a disk that the host uses */
};

#endif
