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
	%D%/root.c %D%/root.h \
	%D%/document.c %D%/document.h \
	%D%/arguments.c %D%/arguments.h %D%/arguments.def \
	%D%/document_api.c %D%/document_api.h \
	%D%/token.c %D%/token.h \
	%D%/token_api.c \
	%D%/blob.c %D%/blob.h \
	%D%/blob_api.c \
	%D%/client_cert.c %D%/client_cert.h \
	%D%/snapshot.c %D%/snapshot.h \
	%D%/connection_limit.c %D%/connection_limit.h \
	%D%/device_channel.c %D%/device_channel.h \
	%D%/device_messages.c %D%/device_messages.h \
	%D%/listener.c %D%/listener.h \
	%D%/enrollment.c \
	%D%/receipt_store.c %D%/receipt_store.h \
	%D%/receipt_api.c \
	%D%/filter.c %D%/filter.h \
	%D%/compatibility.c %D%/compatibility.h \
	%D%/device.c %D%/device.h \
	%D%/device_api.c \
	%D%/resync.c %D%/resync.h \
	%D%/metrics.c %D%/metrics.h \
	%D%/group_api.c \
	%D%/health.c \
	%D%/audit_log.c %D%/audit_log.h \
	%D%/ratelimit.c %D%/ratelimit.h \
	%D%/listing.c %D%/listing.h \
	%D%/local_token.c %D%/local_token.h \
	%D%/mgmtd.c %D%/mgmtd.h \
	%D%/access_api.c \
	%D%/idempotency.c %D%/idempotency.h \
	%D%/command.c %D%/command.h \
	%D%/command_api.c \
	%D%/image.c %D%/image.h \
	%D%/pki.c %D%/pki.h \
	%D%/connections.c %D%/connections.h \
	%D%/schema.c %D%/schema.h \
	%D%/problem.h %D%/request.c %D%/request.h \
	%D%/reminder.c %D%/reminder.h \
	%D%/reply.c \
	%D%/disk_reserve.c %D%/disk_reserve.h \
	%D%/http_server.c %D%/http_exchange.h \
	%D%/route.c %D%/route.h \
	%D%/server.c %D%/server.h \
	%D%/settings.c %D%/settings.h \
	%D%/init.c %D%/init.h \
	%D%/usage.c \
	%D%/plan.c \
	%D%/effective_access.c %D%/effective_access.h \
	%D%/audit_api.c \
	%D%/websocket.c

# What is compiled in by incbin.
%D%/libmgmtd_a-schema.$(OBJEXT): schema/sql/mgmtd-001.sql \
	schema/sql/mgmtd-002.sql schema/sql/mgmtd-003.sql

MGMTD_LIBS = mgmt-server/libmgmtd.a $(BASE_LIBS) $(XML_LIBS) $(LWS_LIBS) \
	$(OPENSSL_LIBS) \
	$(SQLITE_LIBS) $(SYSTEMD_LIBS) $(ZSTD_LIBS)
sbin_PROGRAMS += %D%/cells-mgmtd
%C%_cells_mgmtd_SOURCES = %D%/main.c
%C%_cells_mgmtd_CFLAGS = $(MGMTD_CFLAGS)
%C%_cells_mgmtd_LDADD = $(MGMTD_LIBS)
