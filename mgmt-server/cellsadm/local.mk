# SPDX-License-Identifier: Apache-2.0
# All of cellsadm but main().
noinst_LIBRARIES += %D%/libcellsadm.a
%C%_libcellsadm_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DWORDS_FILE='"$(top_srcdir)/data/words"'
%C%_libcellsadm_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(QRENCODE_CFLAGS) \
	$(PNG_CFLAGS)
%C%_libcellsadm_a_SOURCES = \
	%D%/adm.c %D%/adm.h \
	%D%/adm_doc.c \
	%D%/adm_key.c \
	%D%/adm_root.c \
	%D%/columns.c %D%/columns.h \
	%D%/difference.c %D%/difference.h \
	%D%/keep.c %D%/keep.h \
	%D%/pin.c %D%/pin.h \
	%D%/prompt.c %D%/prompt.h \
	%D%/proof.c %D%/proof.h \
	%D%/remote.c %D%/remote.h \
	%D%/ring.c %D%/ring.h \
	%D%/rootdraft.c %D%/rootdraft.h \
	%D%/signing.c %D%/signing.h \
	%D%/skeleton.c %D%/skeleton.h \
	%D%/verb.c %D%/verb.h \
	%D%/words.c %D%/words.h \
	%D%/xmlout.c %D%/xmlout.h

# The words are compiled in.
%D%/libcellsadm_a-words.$(OBJEXT): $(top_srcdir)/data/words
EXTRA_DIST += data/words

CELLSADM_LIBS = %D%/libcellsadm.a $(BASE_LIBS) $(XML_LIBS) $(LWS_LIBS) \
	$(QRENCODE_LIBS) $(PNG_LIBS)
bin_PROGRAMS += %D%/cellsadm
%C%_cellsadm_SOURCES = %D%/main.c
%C%_cellsadm_LDADD = $(CELLSADM_LIBS)
