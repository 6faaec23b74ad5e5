# SPDX-License-Identifier: Apache-2.0
# All of the agent but main(), so that tests and the simulator link what ships.
noinst_LIBRARIES += %D%/libagent.a
%C%_libagent_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(LWS_CFLAGS) \
	$(SYSTEMD_CFLAGS)
%C%_libagent_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/agent.c %D%/agent.h %D%/agent_config.h \
	%D%/backoff.c %D%/backoff.h \
	%D%/enroll.c %D%/enroll.h \
	%D%/worker.c %D%/worker.h \
	%D%/chunk_download.c %D%/chunk_download.h \
	%D%/http_multi.c %D%/http_multi.h \
	%D%/identity.c %D%/identity.h \
	%D%/inventory.c %D%/inventory.h \
	%D%/lws_error.c %D%/lws_error.h \
	%D%/policyd_client.c %D%/policyd_client.h \
	%D%/protocol.c %D%/protocol.h \
	%D%/session.c %D%/session.h \
	%D%/transport.c %D%/transport.h

sbin_PROGRAMS += %D%/cells-agent
%C%_cells_agent_SOURCES = %D%/main.c
%C%_cells_agent_CPPFLAGS = $(AM_CPPFLAGS) -DSYSCONFDIR='"$(sysconfdir)"'
%C%_cells_agent_LDADD = %D%/libagent.a $(BASE_LIBS) $(ZSTD_LIBS) \
	$(LWS_LIBS) $(CURL_LIBS) $(SYSTEMD_LIBS)
