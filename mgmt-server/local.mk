# SPDX-License-Identifier: Apache-2.0
include mgmt-server/cellsadm/local.mk
# cells-mgmtd: all of the server but main(), so that tests link what ships.
noinst_LIBRARIES += %D%/libmgmtd.a
MGMTD_CFLAGS = $(AM_CFLAGS) $(LWS_CFLAGS) $(OPENSSL_CFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS) \
	$(SYSTEMD_CFLAGS)
%C%_libmgmtd_a_CFLAGS = $(MGMTD_CFLAGS) -Wa,-I$(top_srcdir)
%C%_libmgmtd_a_SOURCES = %D%/routes.def %D%/handlers.h \
	%D%/account.c \
	%D%/alarm.c %D%/alarm.h \
	%D%/anchor.c %D%/anchor.h \
	%D%/archive.c %D%/archive.h \
	%D%/arguments.c %D%/arguments.h %D%/arguments.def \
	%D%/archiveview.c %D%/archiveview.h \
	%D%/bearer.c %D%/bearer.h \
	%D%/bearerview.c \
	%D%/blob.c %D%/blob.h \
	%D%/blobview.c \
	%D%/clientcert.c %D%/clientcert.h \
	%D%/compose.c %D%/compose.h \
	%D%/connection.c %D%/connection.h \
	%D%/devchan.c %D%/devchan.h \
	%D%/devtalk.c %D%/devtalk.h \
	%D%/edge.c %D%/edge.h \
	%D%/admission.c \
	%D%/evidence.c %D%/evidence.h \
	%D%/evidenceview.c \
	%D%/filter.c %D%/filter.h \
	%D%/fitness.c %D%/fitness.h \
	%D%/fleet.c %D%/fleet.h \
	%D%/fleetview.c \
	%D%/resync.c %D%/resync.h \
	%D%/gauge.c %D%/gauge.h \
	%D%/groupview.c \
	%D%/health.c \
	%D%/ledger.c %D%/ledger.h \
	%D%/limit.c %D%/limit.h \
	%D%/listing.c %D%/listing.h \
	%D%/localtoken.c %D%/localtoken.h \
	%D%/mgmtd.c %D%/mgmtd.h \
	%D%/accessview.c \
	%D%/once.c %D%/once.h \
	%D%/order.c %D%/order.h \
	%D%/orderview.c \
	%D%/picture.c %D%/picture.h \
	%D%/pki.c %D%/pki.h \
	%D%/presence.c %D%/presence.h \
	%D%/registry.c %D%/registry.h \
	%D%/problem.h %D%/request.c %D%/request.h \
	%D%/reminder.c %D%/reminder.h \
	%D%/reply.c \
	%D%/reserve.c %D%/reserve.h \
	%D%/rest.c %D%/exchange.h \
	%D%/route.c %D%/route.h \
	%D%/server.c %D%/server.h \
	%D%/settings.c %D%/settings.h \
	%D%/founding.c %D%/founding.h \
	%D%/usage.c \
	%D%/whatif.c \
	%D%/whoaccess.c %D%/whoaccess.h \
	%D%/witness.c \
	%D%/wsedge.c

# What is compiled in by incbin.
%D%/libmgmtd_a-registry.$(OBJEXT): schema/sql/mgmtd-001.sql \
	schema/sql/mgmtd-002.sql schema/sql/mgmtd-003.sql

MGMTD_LIBS = mgmt-server/libmgmtd.a $(BASE_LIBS) $(XML_LIBS) $(LWS_LIBS) \
	$(OPENSSL_LIBS) \
	$(SQLITE_LIBS) $(SYSTEMD_LIBS) $(ZSTD_LIBS)
sbin_PROGRAMS += %D%/cells-mgmtd
%C%_cells_mgmtd_SOURCES = %D%/main.c
%C%_cells_mgmtd_CFLAGS = $(MGMTD_CFLAGS)
%C%_cells_mgmtd_LDADD = $(MGMTD_LIBS)
