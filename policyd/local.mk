# SPDX-License-Identifier: Apache-2.0
# All of the daemon but main(), so that tests link what ships.
POLICYD_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(SQLITE_CFLAGS) $(SYSTEMD_CFLAGS) \
	$(JANSSON_CFLAGS)
noinst_LIBRARIES += %D%/libpolicyd.a
%C%_libpolicyd_a_CFLAGS = $(POLICYD_CFLAGS)
%C%_libpolicyd_a_SOURCES = \
	%D%/activate.c %D%/activate.h \
	%D%/assembly.c %D%/assembly.h \
	%D%/command.c %D%/command.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/target.c %D%/target.h \
	%D%/delivery.c %D%/delivery.h \
	%D%/departure.c %D%/departure.h \
	%D%/device.c %D%/device.h \
	%D%/enrol.c %D%/enrol.h \
	%D%/evaluate.c %D%/evaluate.h \
	%D%/explain.c %D%/explain.h \
	%D%/gap.c %D%/gap.h \
	%D%/held.c %D%/held.h \
	%D%/image.c %D%/image.h \
	%D%/intake.c %D%/intake.h \
	%D%/issuer.c %D%/issuer.h \
	%D%/loader.c %D%/loader.h \
	%D%/membership.c %D%/membership.h \
	%D%/auditlog.c %D%/auditlog.h \
	%D%/observe.c %D%/observe.h \
	%D%/password.c %D%/password.h \
	%D%/policyd.c %D%/policyd.h \
	%D%/resume.c %D%/resume.h \
	%D%/schedule.c %D%/schedule.h \
	%D%/securetime.c %D%/securetime.h \
	%D%/service.c %D%/service.h \
	%D%/shelf.c %D%/shelf.h \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/status.c %D%/status.h \
	%D%/store.c %D%/store.h \
	%D%/storedoc.c %D%/storejob.c %D%/storelog.c %D%/storepriv.h \
	%D%/storerefusal.c %D%/storereserve.c \
	%D%/ticker.c %D%/ticker.h \
	%D%/verdict.c %D%/verdict.h \
	%D%/verify.c %D%/verify.h \
	%D%/vpsecret.c %D%/vpsecret.h
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
