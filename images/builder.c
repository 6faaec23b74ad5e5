/* SPDX-License-Identifier: Apache-2.0 */
#include "images/builder.h"

#include "images/bundle.h"
#include "images/erofs.h"
#include "images/layout.h"
#include "images/recipe.h"
#include "images/staging.h"
#include "images/tree/scan.h"
#include "images/tree/tree.h"
#include "images/tree/tree_entry.h"
#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LOG "log"
#define TREE "tree"
#define UPPER "upper"
#define UNPACKED "oci"
#define RECIPE "recipe"
#define INIT_DEFAULT "/sbin/init"
#define SIGNAL_DEFAULT "TERM"

/* One build under way. */
struct build_context {
	struct builder *b;
	struct staging *draft;
	struct recipe recipe;
	struct layout layout;
	bool is_layout;
	struct tree_omissions notes;
};

static void build_context_fini(struct build_context *bd)
{
	staging_free(bd->draft);
	recipe_fini(&bd->recipe);
	layout_close(&bd->layout);
}

static int64_t clamp_newest_time(int64_t newest, struct err *e)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t n;

	if (!epoch || !*epoch)
		return newest;
	if (encoding_parse_number(epoch, INT32_MAX * UINT64_C(128), &n) < 0)
		return err_set(e, EINVAL, "SOURCE_DATE_EPOCH=%s: no number",
			       epoch);
	return (int64_t)n < newest ? (int64_t)n : newest;
}

static void print_omission_warnings(const struct build_context *bd)
{
	if (bd->notes.devices)
		log_warning("%u device nodes were left out (%s ...)",
			    bd->notes.devices, bd->notes.first_device);
	if (bd->notes.sockets)
		log_warning("%u sockets were left out", bd->notes.sockets);
	if (bd->notes.xattrs)
		log_warning("%u xattrs of overlayfs were left out",
			    bd->notes.xattrs);
}

/* Packs a folder as the next layer of the document. */
static int pack_layer_folder(struct build_context *bd, const char *folder,
			     int64_t newest, struct err *e)
{
	auto_free char *log = staging_path(bd->draft, LOG);
	auto_free char *file = staging_path(bd->draft, "layer.erofs");
	auto_free char *chunks = staging_path(bd->draft, BUNDLE_CHUNKS);
	struct image_document *doc = &bd->b->doc;
	struct packed_layer *p = &doc->layer[doc->n_layers];
	char hex[2 * HASH_SIZE + 1];
	auto_free char *name = NULL, *layer = NULL;
	int r;

	if (!log || !file || !chunks)
		return err_oom(e, "pack a layer");
	newest = clamp_newest_time(newest, e);
	r = newest < 0 ? (int)newest
		       : erofs_build_layer(folder, file, doc->n_layers, newest,
					   bd->b->compress, log, e);
	if (r == 0)
		r = packer_pack_layer(file, chunks, p, e);
	if (r < 0)
		return r;
	encoding_to_hex(p->digest, HASH_SIZE, hex);
	if (asprintf(&name, BUNDLE_LAYERS "/%s.erofs", hex) < 0)
		return err_oom(e, "pack a layer");
	layer = staging_path(bd->draft, name);
	if (!layer || rename(file, layer) < 0)
		return err_sys(e, errno, "rename %s", file);
	doc->n_layers++;
	return 0;
}

/* A VP of anything else would not start. */
static int check_root_filesystem(const struct build_context *bd, int root,
				 struct err *e)
{
	const char *init = bd->b->doc.init;
	bool has_init = tree_has_path(root, init),
	     etc = tree_has_path(root, "/etc");
	bool usr = tree_has_path(root, "/usr") || tree_has_path(root, "/bin");

	if (bd->b->force || (has_init && etc && usr))
		return 0;
	return err_set(e, EINVAL,
		       "build %s: the input is not a root file system, without "
		       "%s%s%s%s%s (--force makes an image of it)",
		       bd->b->output, has_init ? "" : init,
		       !has_init && (!etc || !usr) ? ", " : "",
		       etc ? "" : "/etc", !etc && !usr ? ", " : "",
		       usr ? "" : "/usr or /bin");
}

/* What the image's configuration says and a VP does not do: all of it is said.
 */
static int check_unsupported_config(const struct build_context *bd,
				    bool own_init, bool own_signal,
				    struct err *e)
{
	const struct oci_config *c = &bd->layout.config;
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->n_lost; i++) {
		if ((own_init && i == 0 && c->lost_command) ||
		    (own_signal && strncmp(c->lost[i], "StopSignal", 10) == 0))
			continue;
		log_warning("%s", c->lost[i]);
		n++;
	}
	if (n == 0 || bd->b->force)
		return 0;
	return err_set(e, EINVAL,
		       "build %s: the image would lose %s of its configuration "
		       "(--force makes it nevertheless)",
		       bd->b->output, n == 1 ? "a part" : "parts");
}

static int open_image_layout(struct build_context *bd, const char *path,
			     struct err *e)
{
	struct builder *b = bd->b;
	const char *own = b->doc.architecture;
	int r;

	r = layout_open(path, own ? own : architecture_own(), b->tag,
			&bd->layout, e);
	if (r == -ENOENT && !own)
		r = layout_open(path, NULL, b->tag, &bd->layout, e);
	bd->is_layout = r == 0;
	return r;
}

/* The document's blanks: what was asked for, else the input's, else defaults.
 */
static void fill_document_defaults(struct build_context *bd)
{
	const struct oci_config *c = &bd->layout.config;
	struct image_document *d = &bd->b->doc;

	if (!d->init)
		d->init = bd->recipe.init ? bd->recipe.init
			  : c->init[0]	  ? c->init
					  : INIT_DEFAULT;
	if (!d->stop_signal)
		d->stop_signal = bd->recipe.stop_signal ? bd->recipe.stop_signal
				 : c->stop_signal[0]	? c->stop_signal
							: SIGNAL_DEFAULT;
	if (!d->architecture)
		d->architecture = c->architecture[0] ? c->architecture
						     : architecture_own();
}

static int unpack_oci_layer(struct build_context *bd, unsigned int layer,
			    struct tree *t, struct err *e)
{
	const struct layout *l = &bd->layout;
	const char *name = layout_layer_name(l, layer);
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	auto_close int fd = -1;
	int r;

	r = layout_open_layer(l, layer, &fd, e);
	if (r == 0)
		r = tree_begin_layer(t, e);
	if (r == 0)
		r = unpack_tar(&bd->b->limits, fd, name, true, t, got, e);
	if (r < 0)
		return r;
	if (encoding_parse_digest(l->config.diff_id[layer], want) < 0 ||
	    memcmp(want, got, HASH_SIZE) != 0)
		return err_set(e, EINVAL,
			       "layer %s: unpacked it is not what the config "
			       "says",
			       name);
	return 0;
}

/* What the layer changed of the tree. */
static int pack_upper_layer(struct build_context *bd, const struct tree *t,
			    struct err *e)
{
	auto_free char *folder = staging_path(bd->draft, UPPER);
	int64_t newest = 0;
	int r;

	if (!folder)
		return err_oom(e, "pack a layer");
	r = tree_write_layer(t, folder, &newest, e);
	if (r == 0)
		r = pack_layer_folder(bd, folder, newest, e);
	return r < 0 ? r : staging_remove(bd->draft, UPPER, e);
}

/* All layers are one file system: each is applied to the tree of those below,
 * and only then asked what it changed. */
static int add_layout_layers(struct build_context *bd, struct err *e)
{
	auto_free char *folder = staging_path(bd->draft, TREE);
	unsigned int n = bd->layout.manifest.n_layers;
	bool squash = bd->b->squash || n > DOC_LAYERS_MAX;
	AUTO(tree_freep) struct tree *t = NULL;
	int r;

	if (!folder)
		return err_oom(e, "unpack the layers");
	if (n > DOC_LAYERS_MAX && !bd->b->squash)
		log_warning("%u layers become one: an image has %d at most", n,
			    DOC_LAYERS_MAX);
	r = tree_new(folder, &t, e);
	for (unsigned int i = 0; r == 0 && i < n; i++) {
		r = unpack_oci_layer(bd, i, t, e);
		if (r == 0 && i == n - 1)
			r = check_root_filesystem(bd, tree_root_fd(t), e);
		if (r == 0 && (squash ? i == n - 1 : i == 0))
			r = pack_layer_folder(bd, folder, tree_newest_time(t),
					      e);
		else if (r == 0 && !squash)
			r = pack_upper_layer(bd, t, e);
	}
	if (r < 0)
		return r;
	bd->notes = *tree_get_omissions(t);
	return staging_remove(bd->draft, TREE, e);
}

/* The layout that is open. */
static int add_open_layout(struct build_context *bd, struct err *e)
{
	bool own_init = bd->b->doc.init, own_signal = bd->b->doc.stop_signal;
	int r;

	fill_document_defaults(bd);
	r = check_unsupported_config(bd, own_init, own_signal, e);
	return r < 0 ? r : add_layout_layers(bd, e);
}

/* What came as a stream is a layout: that is seen only now. */
static int add_unpacked_layout(struct build_context *bd, const char *folder,
			       struct err *e)
{
	auto_free char *layout = staging_path(bd->draft, UNPACKED);
	int r;

	if (!layout || rename(folder, layout) < 0)
		return err_sys(e, errno, "rename %s", folder);
	r = open_image_layout(bd, layout, e);
	return r < 0 ? r : add_open_layout(bd, e);
}

/* One layer by way of a tree of our own; fd -1: the folder `path`. */
static int add_tree_layer(struct build_context *bd, int fd, const char *path,
			  struct err *e)
{
	auto_free char *folder = staging_path(bd->draft, TREE);
	AUTO(tree_freep) struct tree *t = NULL;
	int r;

	if (!folder)
		return err_oom(e, path);
	r = tree_new(folder, &t, e);
	if (r == 0 && fd < 0)
		r = unpack_folder(&bd->b->limits, path, t, e);
	else if (r == 0)
		r = unpack_tar(&bd->b->limits, fd, path, false, t, NULL, e);
	if (r < 0)
		return r;
	if (fd >= 0 && layout_is_present(folder))
		return add_unpacked_layout(bd, folder, e);
	fill_document_defaults(bd);
	r = check_root_filesystem(bd, tree_root_fd(t), e);
	if (r < 0)
		return r;
	bd->notes = *tree_get_omissions(t);
	r = pack_layer_folder(bd, folder, tree_newest_time(t), e);
	return r < 0 ? r : staging_remove(bd->draft, TREE, e);
}

/* As it lies, if all in it may be in an image; else by way of a tree. */
static int add_folder_layer(struct build_context *bd, int fd, const char *path,
			    struct err *e)
{
	struct scan_result s;
	int r = scan_folder(&bd->b->limits, path, &s, e);

	if (r < 0)
		return r;
	if (!s.plain)
		return add_tree_layer(bd, -1, path, e);
	r = check_root_filesystem(bd, fd, e);
	return r < 0 ? r : pack_layer_folder(bd, path, s.newest, e);
}

/* Unpacks a tar that holds a layout, to be read as one. */
static int unpack_layout_archive(struct build_context *bd, int fd,
				 const char *input, struct err *e)
{
	auto_free char *folder = staging_path(bd->draft, UNPACKED);
	AUTO(tree_freep) struct tree *t = NULL;
	int r;

	if (!folder)
		return err_oom(e, input);
	r = tree_new(folder, &t, e);
	if (r == 0)
		r = unpack_tar(&bd->b->limits, fd, input, false, t, NULL, e);
	return r < 0 ? r : open_image_layout(bd, folder, e);
}

static int open_build_input(const char *input, int *ret_fd, bool *ret_folder,
			    struct err *e)
{
	auto_close int fd = -1;
	struct stat st;

	if (strcmp(input, "-") == 0)
		fd = dup(STDIN_FILENO);
	else
		fd = open(input, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open %s", input);
	*ret_folder = S_ISDIR(st.st_mode);
	*ret_fd = steal_fd(fd);
	return 0;
}

static int add_build_input(struct build_context *bd, const char *input,
			   struct err *e)
{
	bool folder = false, layout = false;
	auto_close int fd = -1;
	int r;

	r = open_build_input(input, &fd, &folder, e);
	if (r < 0)
		return r;
	if (folder && layout_is_present(input)) {
		r = open_image_layout(bd, input, e);
	} else if (!folder && lseek(fd, 0, SEEK_CUR) == 0) {
		r = unpack_is_layout(&bd->b->limits, fd, input, &layout, e);
		if (lseek(fd, 0, SEEK_SET) < 0 && r == 0)
			r = err_sys(e, errno, "read %s", input);
		if (r == 0 && layout)
			r = unpack_layout_archive(bd, fd, input, e);
	}
	if (r < 0)
		return r;
	if (bd->is_layout)
		return add_open_layout(bd, e);
	if (folder)
		fill_document_defaults(bd);
	return folder ? add_folder_layer(bd, fd, input, e)
		      : add_tree_layer(bd, fd, input, e);
}

static int run_build_recipe(struct build_context *bd, struct err *e)
{
	auto_free char *folder = staging_path(bd->draft, RECIPE);
	auto_free char *log = staging_path(bd->draft, LOG);
	struct builder *b = bd->b;

	if (!folder || !log)
		return err_oom(e, b->recipe);
	if (mkdir(folder, 0755) < 0)
		return err_sys(e, errno, "make folder %s", folder);
	return recipe_run(b->recipe, b->recipes, folder,
			  b->doc.architecture ? b->doc.architecture
					      : architecture_own(),
			  &b->settings, log, &bd->recipe, e);
}

static int create_bundle_folders(const struct build_context *bd, struct err *e)
{
	static const char *const names[] = { BUNDLE_CHUNKS, BUNDLE_LAYERS };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *path = staging_path(bd->draft, names[i]);

		if (!path || mkdir(path, 0755) < 0)
			return err_sys(e, errno, "make folder %s", names[i]);
	}
	return 0;
}

static int write_image_document(const struct build_context *bd, struct err *e)
{
	const struct builder *b = bd->b;
	auto_free char *path = staging_path(
		bd->draft, b->key ? BUNDLE_SIGNED : BUNDLE_DOCUMENT);
	auto_free char *xml = NULL, *json = NULL;
	const char *text;
	int r;

	if (!path)
		return err_oom(e, b->output);
	r = image_document_format(&b->doc, &xml, e);
	if (r == 0 && b->key)
		r = image_document_sign(xml, b->key, b->password_file, &json,
					e);
	if (r != 0)
		return r;
	text = b->key ? json : xml;
	return io_replace_file(path, text, strlen(text), 0644, e);
}

static int remove_build_leftovers(const struct build_context *bd, struct err *e)
{
	static const char *const names[] = { LOG, UNPACKED, RECIPE };
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		auto_free char *path = staging_path(bd->draft, names[i]);

		if (path && access(path, F_OK) == 0)
			r = staging_remove(bd->draft, names[i], e);
	}
	return r;
}

int builder_run(struct builder *b, struct err *e)
{
	AUTO(build_context_fini)
	struct build_context bd = { .b = b, .layout.dir = -1 };
	int r;

	/* Owners, other people's modes and trusted xattrs of overlayfs. */
	if (geteuid() != 0)
		return err_set(e, EPERM, "build %s: has to be root", b->output);
	r = staging_new(b->output, b->replace, &bd.draft, e);
	if (r == 0)
		r = create_bundle_folders(&bd, e);
	if (r == 0 && b->recipe)
		r = run_build_recipe(&bd, e);
	if (r == 0)
		r = add_build_input(&bd, b->recipe ? bd.recipe.input : b->input,
				    e);
	if (r == 0)
		r = write_image_document(&bd, e);
	if (r == 0)
		r = remove_build_leftovers(&bd, e);
	if (r == 0)
		r = staging_commit(bd.draft, e);
	if (r < 0)
		return r;
	print_omission_warnings(&bd);
	return 0;
}
