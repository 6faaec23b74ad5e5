/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id of an installed system: /etc/machine-id (machine-id(5))
 * and the copy of it that D-Bus has. VPs share images, and an image may have
 * been made from a system that had run.
 */
#ifndef CELLSD_CONTAINER_MACHINE_ID_H
#define CELLSD_CONTAINER_MACHINE_ID_H

struct err;

/*
 * Gives the VP an id of its own in the place of its image's. An empty or absent
 * one is left to the VP's init. `data` holds the upper layer of `root`; acts
 * with the file system ids that the caller has set.
 */
int machine_id_replace_inherited(int root, int data, struct err *e);

#endif
