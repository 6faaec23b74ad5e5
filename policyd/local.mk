# SPDX-License-Identifier: Apache-2.0
# All of the daemon but main(), so that tests link what ships.
POLICYD_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(SQLITE_CFLAGS) $(SYSTEMD_CFLAGS) \
	$(JANSSON_CFLAGS)
noinst_LIBRARIES += %D%/libpolicyd.a
%C%_libpolicyd_a_CFLAGS = $(POLICYD_CFLAGS)
%C%_libpolicyd_a_SOURCES = \
	%D%/activate.c %D%/activate.h \
	%D%/layer_download.c %D%/layer_download.h \
	%D%/command.c %D%/command.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/desired_state.c %D%/desired_state.h \
	%D%/reconcile.c %D%/reconcile.h \
	%D%/unenroll.c %D%/unenroll.h \
	%D%/device.c %D%/device.h \
	%D%/enroll.c %D%/enroll.h \
	%D%/evaluate.c %D%/evaluate.h \
	%D%/explain.c %D%/explain.h \
	%D%/gap.c %D%/gap.h \
	%D%/document_set.c %D%/document_set.h \
	%D%/image.c %D%/image.h \
	%D%/submit.c %D%/submit.h \
	%D%/receipt_issuer.c %D%/receipt_issuer.h \
	%D%/loader.c %D%/loader.h \
	%D%/membership.c %D%/membership.h \
	%D%/audit_log.c %D%/audit_log.h \
	%D%/device_events.c %D%/device_events.h \
	%D%/password.c %D%/password.h \
	%D%/policyd.c %D%/policyd.h \
	%D%/resume.c %D%/resume.h \
	%D%/schedule.c %D%/schedule.h \
	%D%/secure_time.c %D%/secure_time.h \
	%D%/service.c %D%/service.h \
	%D%/layer_store.c %D%/layer_store.h \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/status.c %D%/status.h \
	%D%/store.c %D%/store.h \
	%D%/store_document.c %D%/store_command.c %D%/store_log.c %D%/store_internal.h \
	%D%/store_refusal.c %D%/store_reserve.c \
	%D%/periodic.c %D%/periodic.h \
	%D%/verdict.c %D%/verdict.h \
	%D%/verify.c %D%/verify.h \
	%D%/vp_secret.c %D%/vp_secret.h
# The schema becomes part of the program.
%D%/libpolicyd_a-store.$(OBJEXT): schema/sql/policyd-001.sql \
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
