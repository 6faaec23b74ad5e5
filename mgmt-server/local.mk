# SPDX-License-Identifier: Apache-2.0
# cells-mgmtd: all of the server but main(), so that tests link what ships.
noinst_LIBRARIES += %D%/libmgmtd.a
MGMTD_CFLAGS = $(AM_CFLAGS) $(LWS_CFLAGS) $(OPENSSL_CFLAGS) $(ARGON2_CFLAGS) $(SQLITE_CFLAGS) $(JANSSON_CFLAGS) \
	$(SYSTEMD_CFLAGS)
%C%_libmgmtd_a_CFLAGS = $(MGMTD_CFLAGS) -Wa,-I$(top_srcdir)
%C%_libmgmtd_a_SOURCES = \
	%D%/init.c %D%/init.h \
	%D%/mgmtd.c %D%/mgmtd.h %D%/server.h \
	%D%/api/access_api.c \
	%D%/api/account_api.c \
	%D%/api/arguments.c %D%/api/arguments.h %D%/api/arguments.def \
	%D%/api/audit_api.c \
	%D%/api/blob_api.c \
	%D%/api/command_api.c \
	%D%/api/device_api.c \
	%D%/api/document_api.c %D%/api/document_api.h \
	%D%/api/enrollment_api.c \
	%D%/api/filter.c %D%/api/filter.h \
	%D%/api/group_api.c \
	%D%/api/handlers.h \
	%D%/api/health_api.c \
	%D%/api/image_api.c \
	%D%/api/listing.c %D%/api/listing.h \
	%D%/api/plan_api.c \
	%D%/api/receipt_api.c \
	%D%/api/request.c %D%/api/request.h \
	%D%/api/root_api.c %D%/api/root_api.h \
	%D%/api/route.c %D%/api/route.h \
	%D%/api/routes.def \
	%D%/api/token_api.c \
	%D%/api/usage_api.c \
	%D%/channel/connections.c %D%/channel/connections.h \
	%D%/channel/device_channel.c %D%/channel/device_channel.h \
	%D%/core/alarm.c %D%/core/alarm.h \
	%D%/core/callbacks.h \
	%D%/core/metrics.c %D%/core/metrics.h \
	%D%/core/password_pool.c %D%/core/password_pool.h \
	%D%/core/problem.h \
	%D%/core/ratelimit.c %D%/core/ratelimit.h \
	%D%/core/settings.c %D%/core/settings.h \
	%D%/core/turn.c %D%/core/turn.h \
	%D%/fleet/command.c %D%/fleet/command.h \
	%D%/fleet/compatibility.c %D%/fleet/compatibility.h \
	%D%/fleet/device.c %D%/fleet/device.h \
	%D%/fleet/device_messages.c %D%/fleet/device_messages.h \
	%D%/fleet/effective_access.c %D%/fleet/effective_access.h \
	%D%/fleet/image.c %D%/fleet/image.h \
	%D%/fleet/receipt_store.c %D%/fleet/receipt_store.h \
	%D%/fleet/reminder.c %D%/fleet/reminder.h \
	%D%/fleet/resync.c %D%/fleet/resync.h \
	%D%/fleet/snapshot.c %D%/fleet/snapshot.h \
	%D%/listener/client_cert.c %D%/listener/client_cert.h \
	%D%/listener/connection_limit.c %D%/listener/connection_limit.h \
	%D%/listener/http_exchange.c %D%/listener/http_exchange.h \
	%D%/listener/http_server.c %D%/listener/http_server.h \
	%D%/listener/listener.c %D%/listener/listener.h \
	%D%/listener/listener_context.h \
	%D%/listener/listener_service.h \
	%D%/listener/peer.c %D%/listener/peer.h \
	%D%/listener/reply.c %D%/listener/reply.h \
	%D%/listener/websocket.c %D%/listener/websocket.h \
	%D%/store/audit_log.c %D%/store/audit_log.h \
	%D%/store/blob.c %D%/store/blob.h \
	%D%/store/disk_reserve.c %D%/store/disk_reserve.h \
	%D%/store/document.c %D%/store/document.h \
	%D%/store/idempotency.c %D%/store/idempotency.h \
	%D%/store/json_column.c %D%/store/json_column.h \
	%D%/store/local_token.c %D%/store/local_token.h \
	%D%/store/password_hash.c %D%/store/password_hash.h \
	%D%/store/pki.c %D%/store/pki.h \
	%D%/store/root.c %D%/store/root.h \
	%D%/store/schema.c %D%/store/schema.h \
	%D%/store/token.c %D%/store/token.h

# What is compiled in by incbin.
%D%/store/libmgmtd_a-schema.$(OBJEXT): schema/sql/mgmtd-001.sql \
	schema/sql/mgmtd-002.sql schema/sql/mgmtd-003.sql \
	schema/sql/mgmtd-004.sql

MGMTD_LIBS = mgmt-server/libmgmtd.a $(BASE_LIBS) $(XML_LIBS) $(LWS_LIBS) \
	$(OPENSSL_LIBS) $(ARGON2_LIBS) \
	$(SQLITE_LIBS) $(SYSTEMD_LIBS) $(ZSTD_LIBS)
sbin_PROGRAMS += %D%/cells-mgmtd
%C%_cells_mgmtd_SOURCES = %D%/main.c
%C%_cells_mgmtd_CFLAGS = $(MGMTD_CFLAGS)
%C%_cells_mgmtd_LDADD = $(MGMTD_LIBS)
