# SPDX-License-Identifier: Apache-2.0
# All of cellsctl but main().
noinst_LIBRARIES += %D%/libcellsctl.a
%C%_libcellsctl_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(JANSSON_CFLAGS)
%C%_libcellsctl_a_SOURCES = \
	%D%/ctl.c %D%/ctl.h \
	%D%/daemon_client.c %D%/daemon_client.h \
	%D%/device_verbs.c \
	%D%/policy_verbs.c \
	%D%/prompt.c %D%/prompt.h \
	%D%/relay.c %D%/relay.h \
	%D%/terminal.c %D%/terminal.h

bin_PROGRAMS += %D%/cellsctl
%C%_cellsctl_SOURCES = %D%/main.c
%C%_cellsctl_LDADD = %D%/libcellsctl.a $(BASE_LIBS) $(SYSTEMD_LIBS)
