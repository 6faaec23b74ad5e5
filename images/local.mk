# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libimage.a
%C%_libimage_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DRECIPES_DIR='"$(pkgdatadir)/recipes"'
%C%_libimage_a_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
%C%_libimage_a_SOURCES = \
	%D%/acl.c %D%/acl.h \
	%D%/builder.c %D%/builder.h \
	%D%/buildverb.c \
	%D%/bundle.c %D%/bundle.h \
	%D%/cancel.c %D%/cancel.h \
	%D%/cdc.c %D%/cdc.h \
	%D%/comparison.c %D%/comparison.h \
	%D%/draft.c %D%/draft.h \
	%D%/erofs.c %D%/erofs.h \
	%D%/imagedoc.c %D%/imagedoc.h \
	%D%/layout.c %D%/layout.h \
	%D%/localverb.c \
	%D%/meter.c %D%/meter.h \
	%D%/oci.c %D%/oci.h \
	%D%/overlay.c %D%/overlay.h \
	%D%/packer.c %D%/packer.h \
	%D%/passwd.c %D%/passwd.h \
	%D%/pathmap.c %D%/pathmap.h \
	%D%/prune.c %D%/prune.h \
	%D%/pusher.c %D%/pusher.h \
	%D%/recipe.c %D%/recipe.h \
	%D%/remoteverb.c \
	%D%/survey.c %D%/survey.h \
	%D%/tree.c %D%/tree.h \
	%D%/treelayer.c \
	%D%/treepath.c %D%/treepath.h \
	%D%/treeplace.c %D%/treeplace.h \
	%D%/treestate.c %D%/treestate.h \
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
