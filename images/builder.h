/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cells-image build`: makes an image from input that contains a root file
 * system.
 */
#ifndef IMAGES_BUILDER_H
#define IMAGES_BUILDER_H

#include "images/image_document.h"
#include "images/tree/unpack.h"
#include "lib/opt.h"

struct builder {
	const char *input; /* a folder, a tar ("-": standard input), a layout */
	const char *recipe;  /* instead of input */
	const char *recipes; /* folder of recipes; NULL: the installed ones */
	struct opt_list settings; /* of the recipe */
	const char *output;
	bool replace;
	bool force;  /* also what is not a root file system, or loses something
		      */
	bool squash; /* all layers of an OCI image as one */
	const char *tag, *compress;	 /* NULL: none */
	const char *key, *password_file; /* key NULL: not signed */
	struct unpack limits;
	struct image_document doc; /* init and others NULL: as the input says */
};

/* Can be interrupted: the output is created completely or not at all. */
int builder_run(struct builder *b, struct err *e);

#endif
