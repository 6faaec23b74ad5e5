# SPDX-License-Identifier: Apache-2.0
# All of cellsadm but main().
noinst_LIBRARIES += %D%/libcellsadm.a
%C%_libcellsadm_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(QRENCODE_CFLAGS) \
	$(PNG_CFLAGS)
%C%_libcellsadm_a_SOURCES = \
	%D%/adm.c %D%/adm.h \
	%D%/list.c %D%/list.h \
	%D%/remote.c %D%/remote.h \
	%D%/documents/doc_file.c %D%/documents/doc_file.h \
	%D%/documents/revision.c %D%/documents/revision.h \
	%D%/documents/root_draft.c %D%/documents/root_draft.h \
	%D%/documents/template.c %D%/documents/template.h \
	%D%/documents/xml_writer.c %D%/documents/xml_writer.h \
	%D%/trust/audit_chain.c %D%/trust/audit_chain.h \
	%D%/trust/device_key.c %D%/trust/device_key.h \
	%D%/trust/keyring.c %D%/trust/keyring.h \
	%D%/trust/password_proof.c %D%/trust/password_proof.h \
	%D%/trust/recovery.c %D%/trust/recovery.h \
	%D%/trust/root_impact.c %D%/trust/root_impact.h \
	%D%/trust/signing.c %D%/trust/signing.h \
	%D%/trust/state.c %D%/trust/state.h \
	%D%/trust/tree_head.c %D%/trust/tree_head.h \
	%D%/trust/trust_root.c %D%/trust/trust_root.h \
	%D%/trust/verify_access.c %D%/trust/verify_access.h \
	%D%/ui/access_matrix.c %D%/ui/access_matrix.h \
	%D%/ui/diff.c %D%/ui/diff.h \
	%D%/ui/prompt.c %D%/ui/prompt.h \
	%D%/ui/qr.c %D%/ui/qr.h \
	%D%/ui/wordlist.c %D%/ui/wordlist.h \
	%D%/verbs/command.c %D%/verbs/command.h \
	%D%/verbs/group_expiry.c %D%/verbs/group_expiry.h \
	%D%/verbs/plan.c %D%/verbs/plan.h \
	%D%/verbs/verb_access.c \
	%D%/verbs/verb_audit.c \
	%D%/verbs/verb_device.c \
	%D%/verbs/verb_doc.c \
	%D%/verbs/verb_enroll.c \
	%D%/verbs/verb_group.c \
	%D%/verbs/verb_image.c \
	%D%/verbs/verb_key.c \
	%D%/verbs/verb_receipt.c \
	%D%/verbs/verb_root.c \
	%D%/verbs/verb_server.c \
	%D%/verbs/verb_user.c \
	%D%/verbs/verb_vp.c \
	%D%/verbs/verbs.c %D%/verbs/verbs.h

# The assembler reads them, so no depfile names them.
%D%/ui/libcellsadm_a-wordlist.$(OBJEXT): $(top_srcdir)/data/words
EXTRA_DIST += data/words

CELLSADM_LIBS = %D%/libcellsadm.a $(BASE_LIBS) $(XML_LIBS) $(CURL_LIBS) \
	$(QRENCODE_LIBS) $(PNG_LIBS)
bin_PROGRAMS += %D%/cellsadm
%C%_cellsadm_SOURCES = %D%/main.c
%C%_cellsadm_LDADD = $(CELLSADM_LIBS)
