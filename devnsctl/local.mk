# SPDX-License-Identifier: Apache-2.0
# All of devnsctl but main().
noinst_LIBRARIES += %D%/libdevnsctl.a
%C%_libdevnsctl_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_libdevnsctl_a_SOURCES = \
	%D%/devns_name.c %D%/devns_name.h \
	%D%/devnsctl.c %D%/devnsctl.h %D%/session.h \
	%D%/follow.c \
	%D%/holders.c \
	%D%/show.c

# It has cellsd's own way to the module.
sbin_PROGRAMS += %D%/devnsctl
%C%_devnsctl_SOURCES = %D%/main.c
%C%_devnsctl_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_devnsctl_LDADD = %D%/libdevnsctl.a cellsd/libcellsd.a \
	$(BASE_LIBS) $(NL_LIBS)
