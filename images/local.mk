# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libimage.a
%C%_libimage_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DRECIPES_DIR='"$(pkgdatadir)/recipes"'
%C%_libimage_a_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
%C%_libimage_a_SOURCES = \
	%D%/build_verb.c \
	%D%/builder.c %D%/builder.h \
	%D%/bundle.c %D%/bundle.h \
	%D%/cdc.c %D%/cdc.h \
	%D%/comparison.c %D%/comparison.h \
	%D%/erofs.c %D%/erofs.h \
	%D%/image_document.c %D%/image_document.h \
	%D%/interrupt.c %D%/interrupt.h \
	%D%/layout.c %D%/layout.h \
	%D%/local_verbs.c \
	%D%/oci.c %D%/oci.h \
	%D%/packer.c %D%/packer.h \
	%D%/progress.c %D%/progress.h \
	%D%/pusher.c %D%/pusher.h \
	%D%/recipe.c %D%/recipe.h \
	%D%/remote_verbs.c \
	%D%/staging.c %D%/staging.h \
	%D%/verbs.c %D%/verbs.h \
	%D%/verifier.c %D%/verifier.h \
	%D%/tree/acl.c %D%/tree/acl.h \
	%D%/tree/overlay.c %D%/tree/overlay.h \
	%D%/tree/passwd.c %D%/tree/passwd.h \
	%D%/tree/path_map.c %D%/tree/path_map.h \
	%D%/tree/prune.c %D%/tree/prune.h \
	%D%/tree/scan.c %D%/tree/scan.h \
	%D%/tree/tree.c %D%/tree/tree.h %D%/tree/tree_entry.h \
	%D%/tree/tree_layer.c \
	%D%/tree/tree_path.c %D%/tree/tree_path.h \
	%D%/tree/tree_place.c %D%/tree/tree_place.h \
	%D%/tree/tree_state.c %D%/tree/tree_state.h \
	%D%/tree/unpack.c %D%/tree/unpack.h \
	%D%/tree/walk.c %D%/tree/walk.h \
	%D%/tree/xattr.c %D%/tree/xattr.h

bin_PROGRAMS += %D%/cells-image
%C%_cells_image_SOURCES = %D%/main.c
%C%_cells_image_LDADD = $(IMAGE_LIBS)
IMAGE_LIBS = images/libimage.a $(BASE_LIBS) $(XML_LIBS) $(CURL_LIBS) \
	$(ARCHIVE_LIBS) $(ZSTD_LIBS)

recipesdir = $(pkgdatadir)/recipes
dist_recipes_SCRIPTS = %D%/recipes/busybox %D%/recipes/debian
