/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware profiles, cells-hardware(5): which device nodes belong to which
 * class. A line is
 *   camera = subsystem video4linux, property ID_V4L_CAPABILITIES=*:capture:*
 * and says: a device that meets all conditions is of that class. A device may
 * be of several; of a class and a finer one inside it, the finer counts.
 */
#ifndef CELLSD_DEVICE_PROFILE_H
#define CELLSD_DEVICE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct profile;

/* What a condition may ask of a device; each may answer NULL. */
struct profile_device {
	const char *(*subsystem)(void *arg);
	const char *(*sysname)(void *arg);
	const char *(*devname)(void *arg); /* below /dev */
	const char *(*driver)(void *arg);  /* its own or its parents' */
	const char *(*property)(void *arg, const char *key);
	const char *(*attribute)(void *arg, const char *name);
	void *arg;
};

struct profile *profile_new(void); /* NULL: out of memory */
void profile_free(struct profile *p);

/* Adds the rules of a file. -EINVAL with file and line. */
int profile_read_file(struct profile *p, const char *path, struct err *e);
/* The same of a text (which is changed); `name` is named in messages. */
int profile_parse_text(struct profile *p, const char *name, char *text,
		       struct err *e);
/* Adds all *.conf of a folder, by name. A missing folder is not an error. */
int profile_read_folder(struct profile *p, const char *folder, struct err *e);

/* The classes of a device, a bit each. */
uint32_t profile_match_device(const struct profile *p,
			      const struct profile_device *d);

/* Calls fn for each subsystem that a rule names, perhaps more than once. */
void profile_each_subsystem(const struct profile *p,
			    void (*fn)(void *arg, const char *), void *arg);

static inline void profile_freep(struct profile **p)
{
	profile_free(*p);
}

#endif
