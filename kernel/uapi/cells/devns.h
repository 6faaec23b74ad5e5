/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR Apache-2.0 */
/*
 * Generic netlink family "devns", version 1. The whole contract between the
 * module and user space: commands, attributes, the audit group.
 *
 * Each request needs CAP_SYS_ADMIN in the initial user namespace, and so does
 * joining the group. A refusal names the attribute and the reason in the
 * extended ACK. Numbers of classes and uses are those of class.h and mode.h.
 *
 * -EEXIST: there is one already; -ENOENT: no such id; -ESTALE: an older
 * generation, or another namespace is active than EXPECTED says; -EOPNOTSUPP:
 * this kind or mode cannot be had here; -ENXIO: the device is not there.
 */
#ifndef CELLS_DEVNS_H
#define CELLS_DEVNS_H

#define DEVNS_GENL_NAME "devns"
#define DEVNS_GENL_VERSION 1
#define DEVNS_MCGRP_AUDIT "audit"

/* All with the NUL. */
#define DEVNS_NAME_MAX 65 /* an id of the contract */
#define DEVNS_NODE_MAX 64 /* below /dev: "video0", "snd/pcmC0D0p" */
#define DEVNS_COMM_MAX 16

#define DEVNS_ID_MAX 4096
#define DEVNS_ENDPOINTS_MAX 4096

enum devns_cmd {
	DEVNS_CMD_UNSPEC,
	/* A namespace: NAME -> ID. It is given an endpoint of each source. */
	DEVNS_CMD_NS_ADD,
	/* ID. Cuts what is open; of the active one: the host becomes active. */
	DEVNS_CMD_NS_DEL,
	/*
	 * ID, or dump -> ID, NAME, HANDLES, MAPPINGS, ACTIVE, GENERATION,
	 * RIGHTS (CLASS, USE, BLOCK of each that is not none).
	 */
	DEVNS_CMD_NS_GET,
	/*
	 * A source, given to each namespace as an endpoint: CLASSES, KIND, NODE
	 * and, where there is a real node behind it, MAJOR and MINOR -> SOURCE.
	 */
	DEVNS_CMD_DEVICE_ADD,
	DEVNS_CMD_DEVICE_DEL, /* SOURCE; cuts what is open */
	/*
	 * SOURCE, or dump -> SOURCE, CLASSES, KIND, NODE, MAJOR, MINOR; PID,
	 * COMM of a program of the host that shows something else there.
	 */
	DEVNS_CMD_DEVICE_GET,
	/*
	 * Dump, with ID or SOURCE only theirs -> ID, SOURCE, CLASSES, KIND,
	 * NODE, MAJOR and MINOR (of the endpoint), ALLOWED, HANDLES, MAPPINGS.
	 */
	DEVNS_CMD_ENDPOINT_GET,
	/*
	 * The whole table at once: GENERATION, RIGHTS -> GENERATION, CUTS,
	 * TOOK. What it does not name is none. A nest holds 64 KiB, so RIGHTS
	 * and CUTS may occur several times in a message: each is read.
	 */
	DEVNS_CMD_POLICY_SET,
	/*
	 * EXPECTED and ID (0: the host) -> ID, GENERATION, CUTS, TOOK. -EBUSY:
	 * it has a display, and a program of the host shows something else
	 * there; nothing is changed.
	 */
	DEVNS_CMD_ACTIVE_SET,
	/*
	 * Dump of each endpoint, as ENDPOINT_GET -> ID, SOURCE, NODE, HANDLES,
	 * MAPPINGS, OPENS, DENIALS, CALLS, REVOKES.
	 */
	DEVNS_CMD_STAT_GET,
	/*
	 * What the audit group carries: EVENT, SEQ, TIME, ID, GENERATION,
	 * COUNT, and as far as the event has them CLASS, NODE, PID, UID, COMM,
	 * HANDLES, MAPPINGS, PREVIOUS, TOOK, USE, BLOCK, COMBO.
	 */
	DEVNS_CMD_AUDIT,
	DEVNS_CMD_COUNT_,
};

enum devns_attr {
	DEVNS_A_UNSPEC,
	DEVNS_A_ID,	    /* u32, 1..DEVNS_ID_MAX; 0 is the host */
	DEVNS_A_NAME,	    /* string */
	DEVNS_A_ACTIVE,	    /* flag */
	DEVNS_A_SOURCE,	    /* u32 */
	DEVNS_A_CLASSES,    /* u32: a bit for each class the node belongs to */
	DEVNS_A_KIND,	    /* u32: enum devns_kind */
	DEVNS_A_MAJOR,	    /* u32 */
	DEVNS_A_MINOR,	    /* u32 */
	DEVNS_A_NODE,	    /* string: the usual name below /dev, "video0" */
	DEVNS_A_GENERATION, /* u64: counted by the caller, never goes back */
	DEVNS_A_EXPECTED, /* u32: the active namespace that the caller knows of
			   */
	DEVNS_A_RIGHTS,	  /* nested, many DEVNS_A_RIGHT */
	DEVNS_A_RIGHT,	  /* nested: ID, CLASS, USE, BLOCK */
	DEVNS_A_CLASS,	  /* u32: enum cells_class */
	DEVNS_A_USE,	  /* u8: enum cells_use */
	DEVNS_A_BLOCK,	  /* u8: 0 or 1 */
	DEVNS_A_CUTS,	  /* nested, many DEVNS_A_CUT */
	DEVNS_A_CUT,	  /* nested: ID, CLASS, HANDLES, MAPPINGS, KILLED */
	DEVNS_A_HANDLES,  /* u32 */
	DEVNS_A_MAPPINGS, /* u32 */
	DEVNS_A_KILLED,	  /* u32: processes whose calls did not end in time */
	DEVNS_A_TOOK,	  /* u64: nanoseconds the change took */
	DEVNS_A_ALLOWED,  /* u8: 0 or 1, the verdict at present */
	DEVNS_A_OPENS,	  /* u64 */
	DEVNS_A_DENIALS,  /* u64 */
	DEVNS_A_CALLS,	  /* u64 */
	DEVNS_A_REVOKES,  /* u64 */
	DEVNS_A_EVENT,	  /* u32: enum devns_event */
	DEVNS_A_SEQ,	  /* u64: of audit messages, no gaps but by `lost` */
	DEVNS_A_TIME,	  /* u64: boot time in nanoseconds */
	DEVNS_A_PID,	  /* u32: in the initial pid namespace */
	DEVNS_A_UID,	  /* u32: in the initial user namespace */
	DEVNS_A_COMM,	  /* string */
	DEVNS_A_COUNT,	  /* u32: events that this one counts */
	DEVNS_A_PREVIOUS, /* u32: the namespace that was active before */
	DEVNS_A_COMBO,	  /* u32: which of the module's parameter, from 0 */
	DEVNS_A_PAD,
	DEVNS_A_COUNT_,
};
#define DEVNS_A_MAX (DEVNS_A_COUNT_ - 1)

/* How a source is taken away and given back. */
enum devns_kind {
	DEVNS_KIND_CUT, /* releases the real device; reopens at the next use */
	DEVNS_KIND_SUSPEND, /* handle and mappings resume */
	DEVNS_KIND_FB,	    /* a framebuffer of its own for each namespace */
	DEVNS_KIND_INPUT,   /* input devices of its own for each namespace */
	DEVNS_KIND_POWER, /* NODE: power/{wake_lock,wake_unlock,screen,state} */
	DEVNS_KIND_LED,	  /* NODE: "leds/" and the LED's name */
	DEVNS_KIND_BACKLIGHT, /* NODE: "backlight/" and the backlight's name */
	DEVNS_KIND_VIBRATOR,  /* the force feedback of an input node */
	DEVNS_KIND_MIXER, /* of sound: one of its classes is enough to open it;
			   * elements of the others are not changed */
	DEVNS_KIND_COUNT_,
};

enum devns_event {
	DEVNS_EVENT_OPEN,
	DEVNS_EVENT_DENY, /* first of a burst; then COUNT of them in one */
	DEVNS_EVENT_CLOSE,
	/* HANDLES, MAPPINGS, KILLED of one endpoint; PID, COMM: of one killed.
	 */
	DEVNS_EVENT_REVOKE,
	DEVNS_EVENT_SWITCH, /* PREVIOUS, ID, TOOK */
	DEVNS_EVENT_MODE,   /* a right that turned: ID, CLASS, USE, BLOCK */
	DEVNS_EVENT_LOST,   /* COUNT messages could not be sent */
	/* COMBO: the host's keys were pressed while ID was in front. */
	DEVNS_EVENT_COMBO,
	DEVNS_EVENT_COUNT_,
};

#endif
