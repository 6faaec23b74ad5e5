/* SPDX-License-Identifier: Apache-2.0 */
/* Can the devices run what a document gives them? Asked when it is submitted.
 */
#ifndef MGMT_SERVER_FLEET_COMPATIBILITY_H
#define MGMT_SERVER_FLEET_COMPATIBILITY_H

struct db;
struct doc;
struct err;
struct token;

/*
 * Of an image: has it the architecture of the versions before? Of an image, a
 * VP's config and a group: has each image that a device would run by it the
 * architecture that the device reported? Other documents always fit.
 * err.architecture, which names devices and groups only if the caller sees
 * them.
 */
int compatibility_check(struct db *db, const struct token *caller,
			const struct doc *doc, struct err *e);

#endif
