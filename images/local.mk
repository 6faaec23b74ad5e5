# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libimage.a
%C%_libimage_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DRECIPES_DIR='"$(pkgdatadir)/recipes"'
%C%_libimage_a_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
%C%_libimage_a_SOURCES = \
	%D%/acl.c %D%/acl.h \
	%D%/builder.c %D%/builder.h \
	%D%/build_verb.c \
	%D%/bundle.c %D%/bundle.h \
	%D%/interrupt.c %D%/interrupt.h \
	%D%/cdc.c %D%/cdc.h \
	%D%/comparison.c %D%/comparison.h \
	%D%/staging.c %D%/staging.h \
	%D%/erofs.c %D%/erofs.h \
	%D%/image_document.c %D%/image_document.h \
	%D%/layout.c %D%/layout.h \
	%D%/local_verbs.c \
	%D%/progress.c %D%/progress.h \
	%D%/oci.c %D%/oci.h \
	%D%/overlay.c %D%/overlay.h \
	%D%/packer.c %D%/packer.h \
	%D%/passwd.c %D%/passwd.h \
	%D%/path_map.c %D%/path_map.h \
	%D%/prune.c %D%/prune.h \
	%D%/pusher.c %D%/pusher.h \
	%D%/recipe.c %D%/recipe.h \
	%D%/remote_verbs.c \
	%D%/scan.c %D%/scan.h \
	%D%/tree.c %D%/tree.h \
	%D%/tree_layer.c \
	%D%/tree_path.c %D%/tree_path.h \
	%D%/tree_place.c %D%/tree_place.h \
	%D%/tree_state.c %D%/tree_state.h \
	%D%/unpack.c %D%/unpack.h \
	%D%/verbs.c %D%/verbs.h \
	%D%/verifier.c %D%/verifier.h \
	%D%/walk.c %D%/walk.h \
	%D%/xattr.c %D%/xattr.h

bin_PROGRAMS += %D%/cells-image
%C%_cells_image_SOURCES = %D%/main.c
%C%_cells_image_LDADD = $(IMAGE_LIBS)
IMAGE_LIBS = images/libimage.a $(BASE_LIBS) $(XML_LIBS) $(LWS_LIBS) \
	$(ARCHIVE_LIBS) $(ZSTD_LIBS)

recipesdir = $(pkgdatadir)/recipes
dist_recipes_SCRIPTS = %D%/recipes/busybox %D%/recipes/debian
