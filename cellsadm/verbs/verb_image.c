/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/list.h"
#include "cellsadm/remote.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>

static const struct table_column image_columns[] = {
	{ "ID", "id" },
	{ "VERSION", "version" },
	{ "STATE", "state" },
	{ "ARCH", "architecture" },
	{ "SIZE", "size", TABLE_SIZE },
	{ "COMPLETE", "complete" },
	{ "SIGNERS", "signers", TABLE_NAMES },
	{ "SHA256", "sha256", TABLE_DIGEST },
	{ NULL }
};

static int verb_image_list(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	return list_print_items(a, REMOTE_PATH("images"), 0, image_columns, e);
}

static int verb_image_show(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	static const struct table_column layers[] = {
		{ "LAYER", "digest", TABLE_DIGEST },
		{ "SIZE", "size", TABLE_SIZE },
		{ "CHUNKS", "chunks", TABLE_DIGEST },
		{ NULL }
	};
	auto_json json_t *j = NULL;
	const char *version = argv[1] ? argv[1] : "latest";
	int r = remote_get(a, REMOTE_PATH("images", argv[0], version), &j, e);

	if (r >= 0)
		r = adm_print_object(a, image_columns, j, e);
	if (r < 0 || a->json)
		return r;
	putchar('\n');
	return adm_print_rows(a, layers, json_object_get(j, "layers"), e);
}

const struct verb verb_image_table[] = {
	{ "list", "", 0, 0, "images (cells-image push brings them)",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_image_list },
	{ "show", "IMAGE [VERSION]", 1, 2, "an image and its layers",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_image_show },
	{ NULL },
};
