# SPDX-License-Identifier: Apache-2.0
# All of cellsadm but main().
noinst_LIBRARIES += %D%/libcellsadm.a
%C%_libcellsadm_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(QRENCODE_CFLAGS) \
	$(PNG_CFLAGS)
%C%_libcellsadm_a_SOURCES = \
	%D%/adm.c %D%/adm.h \
	%D%/verb_access.c \
	%D%/verb_audit.c \
	%D%/verb_device.c \
	%D%/verb_doc.c \
	%D%/verb_enroll.c \
	%D%/verb_group.c \
	%D%/verb_image.c \
	%D%/verb_key.c \
	%D%/verb_receipt.c \
	%D%/verb_root.c \
	%D%/verb_server.c \
	%D%/verb_user.c \
	%D%/verb_vp.c \
	%D%/audit_chain.c %D%/audit_chain.h \
	%D%/device_key.c %D%/device_key.h \
	%D%/table.c %D%/table.h \
	%D%/diff.c %D%/diff.h \
	%D%/state.c %D%/state.h \
	%D%/group_expiry.c %D%/group_expiry.h \
	%D%/list.c %D%/list.h \
	%D%/access_matrix.c %D%/access_matrix.h \
	%D%/doc_file.c %D%/doc_file.h \
	%D%/command.c %D%/command.h \
	%D%/trust_root.c %D%/trust_root.h \
	%D%/plan.c %D%/plan.h \
	%D%/prompt.c %D%/prompt.h \
	%D%/password_proof.c %D%/password_proof.h \
	%D%/qr.c %D%/qr.h \
	%D%/verify_access.c %D%/verify_access.h \
	%D%/recovery.c %D%/recovery.h \
	%D%/remote.c %D%/remote.h \
	%D%/revision.c %D%/revision.h \
	%D%/keyring.c %D%/keyring.h \
	%D%/root_draft.c %D%/root_draft.h \
	%D%/root_impact.c %D%/root_impact.h \
	%D%/signing.c %D%/signing.h \
	%D%/template.c %D%/template.h \
	%D%/tree_head.c %D%/tree_head.h \
	%D%/verb.c %D%/verb.h \
	%D%/wordlist.c %D%/wordlist.h \
	%D%/xml_writer.c %D%/xml_writer.h

# The assembler reads them, so no depfile names them.
%D%/libcellsadm_a-wordlist.$(OBJEXT): $(top_srcdir)/data/words
EXTRA_DIST += data/words

CELLSADM_LIBS = %D%/libcellsadm.a $(BASE_LIBS) $(XML_LIBS) $(LWS_LIBS) \
	$(QRENCODE_LIBS) $(PNG_LIBS)
bin_PROGRAMS += %D%/cellsadm
%C%_cellsadm_SOURCES = %D%/main.c
%C%_cellsadm_LDADD = $(CELLSADM_LIBS)
