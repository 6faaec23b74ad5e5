# SPDX-License-Identifier: Apache-2.0
# All of the daemon but main(), so that tests link what ships.
POLICYD_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(SQLITE_CFLAGS) $(SYSTEMD_CFLAGS) \
	$(JANSSON_CFLAGS)
noinst_LIBRARIES += %D%/libpolicyd.a
%C%_libpolicyd_a_CFLAGS = $(POLICYD_CFLAGS)
%C%_libpolicyd_a_SOURCES = \
	%D%/accept.c %D%/accept.h \
	%D%/activate.c %D%/activate.h \
	%D%/cellsd_state.c %D%/cellsd_state.h \
	%D%/command.c %D%/command.h \
	%D%/command_action.c %D%/command_action.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/desired_state.c %D%/desired_state.h \
	%D%/device_events.c %D%/device_events.h \
	%D%/enroll.c %D%/enroll.h \
	%D%/layer_cleanup.c %D%/layer_cleanup.h \
	%D%/loader.c %D%/loader.h \
	%D%/membership.c %D%/membership.h \
	%D%/methods.c %D%/methods.h \
	%D%/password.c %D%/password.h \
	%D%/periodic.c %D%/periodic.h \
	%D%/policyd.c %D%/policyd.h \
	%D%/reconcile.c %D%/reconcile.h \
	%D%/schedule.c %D%/schedule.h \
	%D%/staging.c %D%/staging.h \
	%D%/status.c %D%/status.h \
	%D%/submit.c %D%/submit.h \
	%D%/submit_result.h \
	%D%/unenroll.c %D%/unenroll.h \
	%D%/vp_secret.c %D%/vp_secret.h \
	%D%/access/evaluate.c %D%/access/evaluate.h \
	%D%/access/explain.c %D%/access/explain.h \
	%D%/bus/connection.c %D%/bus/connection.h \
	%D%/bus/connection_internal.h \
	%D%/bus/device_client.c %D%/bus/device_client.h \
	%D%/bus/device_messages.c %D%/bus/device_messages.h \
	%D%/bus/device_messages_internal.h \
	%D%/bus/device_signals.c %D%/bus/device_signals.h \
	%D%/bus/peer_watch.c %D%/bus/peer_watch.h \
	%D%/bus/reply.c %D%/bus/reply.h \
	%D%/bus/reply_internal.h \
	%D%/bus/service.c %D%/bus/service.h \
	%D%/document/config_window.c %D%/document/config_window.h \
	%D%/document/document_set.c %D%/document/document_set.h \
	%D%/document/document_state.c %D%/document/document_state.h \
	%D%/document/secure_time.c %D%/document/secure_time.h \
	%D%/document/snapshot.c %D%/document/snapshot.h \
	%D%/document/verify.c %D%/document/verify.h \
	%D%/layer/layer_download.c %D%/layer/layer_download.h \
	%D%/layer/layer_assembly.c %D%/layer/layer_assembly.h \
	%D%/layer/layer_store.c %D%/layer/layer_store.h \
	%D%/receipt/audit_log.c %D%/receipt/audit_log.h \
	%D%/receipt/gap.c %D%/receipt/gap.h \
	%D%/receipt/pending.c %D%/receipt/pending.h \
	%D%/receipt/receipt_issuer.c %D%/receipt/receipt_issuer.h \
	%D%/receipt/recorder.c %D%/receipt/recorder.h \
	%D%/receipt/resume.c %D%/receipt/resume.h \
	%D%/receipt/refusal.c %D%/receipt/refusal.h \
	%D%/store/store.c %D%/store/store.h \
	%D%/store/store_command.c \
	%D%/store/store_document.c \
	%D%/store/store_internal.h \
	%D%/store/store_log.c \
	%D%/store/store_refusal.c \
	%D%/store/store_reserve.c

# The schema becomes part of the program.
%D%/store/libpolicyd_a-store.$(OBJEXT): schema/sql/policyd-001.sql \
	schema/sql/policyd-002.sql schema/sql/policyd-003.sql \
	schema/sql/policyd-004.sql schema/sql/policyd-005.sql
EXTRA_DIST += schema/sql/policyd-001.sql schema/sql/policyd-002.sql \
	schema/sql/policyd-003.sql schema/sql/policyd-004.sql \
	schema/sql/policyd-005.sql

POLICYD_LIBS = policyd/libpolicyd.a $(BASE_LIBS) $(XML_LIBS) $(SQLITE_LIBS) \
	$(SYSTEMD_LIBS) $(ZSTD_LIBS)
sbin_PROGRAMS += %D%/cells-policyd
%C%_cells_policyd_CFLAGS = $(POLICYD_CFLAGS)
%C%_cells_policyd_SOURCES = %D%/main.c
%C%_cells_policyd_LDADD = $(POLICYD_LIBS)
