# SPDX-License-Identifier: Apache-2.0
# All of cellsadm but main().
noinst_LIBRARIES += %D%/libcellsadm.a
%C%_libcellsadm_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(QRENCODE_CFLAGS) \
	$(PNG_CFLAGS)
%C%_libcellsadm_a_SOURCES = \
	%D%/adm.c %D%/adm.h \
	%D%/adm_access.c \
	%D%/adm_audit.c \
	%D%/adm_device.c \
	%D%/adm_doc.c \
	%D%/adm_enroll.c \
	%D%/adm_group.c \
	%D%/adm_image.c \
	%D%/adm_key.c \
	%D%/adm_receipt.c \
	%D%/adm_root.c \
	%D%/adm_server.c \
	%D%/adm_user.c \
	%D%/adm_vp.c \
	%D%/auditchain.c %D%/auditchain.h \
	%D%/boundkey.c %D%/boundkey.h \
	%D%/columns.c %D%/columns.h \
	%D%/difference.c %D%/difference.h \
	%D%/keep.c %D%/keep.h \
	%D%/lapse.c %D%/lapse.h \
	%D%/listed.c %D%/listed.h \
	%D%/matrix.c %D%/matrix.h \
	%D%/docfile.c %D%/docfile.h \
	%D%/errand.c %D%/errand.h \
	%D%/pin.c %D%/pin.h \
	%D%/plan.c %D%/plan.h \
	%D%/prompt.c %D%/prompt.h \
	%D%/proof.c %D%/proof.h \
	%D%/qr.c %D%/qr.h \
	%D%/recheck.c %D%/recheck.h \
	%D%/recovery.c %D%/recovery.h \
	%D%/remote.c %D%/remote.h \
	%D%/revision.c %D%/revision.h \
	%D%/ring.c %D%/ring.h \
	%D%/rootdraft.c %D%/rootdraft.h \
	%D%/rootimpact.c %D%/rootimpact.h \
	%D%/signing.c %D%/signing.h \
	%D%/skeleton.c %D%/skeleton.h \
	%D%/treehead.c %D%/treehead.h \
	%D%/verb.c %D%/verb.h \
	%D%/words.c %D%/words.h \
	%D%/xmlout.c %D%/xmlout.h

# The assembler reads them, so no depfile names them.
%D%/libcellsadm_a-words.$(OBJEXT): $(top_srcdir)/data/words
EXTRA_DIST += data/words

CELLSADM_LIBS = %D%/libcellsadm.a $(BASE_LIBS) $(XML_LIBS) $(LWS_LIBS) \
	$(QRENCODE_LIBS) $(PNG_LIBS)
bin_PROGRAMS += %D%/cellsadm
%C%_cellsadm_SOURCES = %D%/main.c
%C%_cellsadm_LDADD = $(CELLSADM_LIBS)
