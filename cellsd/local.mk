# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libcellsd.a
%C%_libcellsd_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(UDEV_CFLAGS) \
	$(BPF_CFLAGS) $(SECCOMP_CFLAGS) $(SELINUX_CFLAGS) $(NL_CFLAGS) $(NFT_CFLAGS) \
	-DPROFILES='"$(pkgdatadir)/hardware.d"'
%C%_libcellsd_a_SOURCES = \
	%D%/audience.c %D%/audience.h \
	%D%/attention.c %D%/attention.h \
	%D%/autoload.c %D%/autoload.h \
	%D%/backend.h \
	%D%/birth.c %D%/birth.h \
	%D%/burst.c %D%/burst.h \
	%D%/callgroup.c %D%/callgroup.h \
	%D%/conntrack.c %D%/conntrack.h \
	%D%/control.c %D%/control.h \
	%D%/desired.c %D%/desired.h \
	%D%/devbus.c %D%/devbus.h \
	%D%/devnsattr.c %D%/devnsattr.h \
	%D%/devnsgate.c \
	%D%/devnslink.c %D%/devnslink.h \
	%D%/devnsshow.c %D%/devnsshow.h \
	%D%/devkeys.c %D%/devkeys.h \
	%D%/devlist.c %D%/devlist.h \
	%D%/devquery.c %D%/devquery.h \
	%D%/devsignal.c %D%/devsignal.h \
	%D%/disk.c %D%/disk.h \
	%D%/erase.c %D%/erase.h \
	%D%/firewall.c %D%/firewall.h \
	%D%/front.c %D%/front.h \
	%D%/gate.c %D%/gate.h \
	%D%/fscrypt.c %D%/fscrypt.h \
	%D%/guest.c %D%/guest.h \
	%D%/holder.c %D%/holder.h \
	%D%/headroom.c %D%/headroom.h \
	%D%/handover.c %D%/handover.h \
	%D%/host.c %D%/host.h \
	%D%/hardware.c %D%/hardware.h \
	%D%/hotplug.c %D%/hotplug.h \
	%D%/idle.c %D%/idle.h \
	%D%/jail.c %D%/jail.h \
	%D%/journal.c %D%/journal.h \
	%D%/label.c %D%/label.h \
	%D%/lacks.c %D%/lacks.h \
	%D%/launch.c %D%/launch.h \
	%D%/layer.c %D%/layer.h \
	%D%/leaf.c %D%/leaf.h \
	%D%/lockdown.c %D%/lockdown.h \
	%D%/loop.c %D%/loop.h \
	%D%/machine.c %D%/machine.h \
	%D%/machineid.c %D%/machineid.h \
	%D%/mask.c %D%/mask.h \
	%D%/merge.c %D%/merge.h \
	%D%/mnt.c %D%/mnt.h \
	%D%/net.c %D%/net.h \
	%D%/prepared.c %D%/prepared.h \
	%D%/pressure.c %D%/pressure.h \
	%D%/pidns.c %D%/pidns.h \
	%D%/profile.c %D%/profile.h \
	%D%/program.c %D%/program.h \
	%D%/reserved.c %D%/reserved.h \
	%D%/resolver.c %D%/resolver.h \
	%D%/resource.c %D%/resource.h \
	%D%/roster.c %D%/roster.h \
	%D%/rosterchange.c \
	%D%/rosterlog.c %D%/rosterlog.h \
	%D%/running.c %D%/running.h \
	%D%/shortfall.c %D%/shortfall.h \
	%D%/selfcopy.c %D%/selfcopy.h \
	%D%/setup.c %D%/setup.h \
	%D%/rootfs.c %D%/rootfs.h \
	%D%/sourceplan.c %D%/sourceplan.h \
	%D%/slotfile.c %D%/slotfile.h \
	%D%/slots.c %D%/slots.h \
	%D%/subtree.c %D%/subtree.h \
	%D%/tool.c %D%/tool.h \
	%D%/syscalls.c %D%/syscalls.h \
	%D%/vault.c %D%/vault.h \
	%D%/verdict.h \
	%D%/veth.c %D%/veth.h \
	%D%/visit.c %D%/visit.h \
	%D%/vp.c %D%/vp.h \
	%D%/vpdata.c %D%/vpdata.h \
	%D%/vpkeys.c %D%/vpkeys.h \
	%D%/vpstate.c %D%/vpstate.h \
	%D%/window.c %D%/window.h

# What the root daemon may link; tests/lint/test_cellsd_links.sh holds it to that.
CELLSD_LIBS = $(SYSTEMD_LIBS) $(UDEV_LIBS) $(BPF_LIBS) $(SECCOMP_LIBS) \
	$(SELINUX_LIBS) $(NL_LIBS) $(NFT_LIBS) $(CRYPTO_LIBS)

sbin_PROGRAMS += %D%/cellsd
%C%_cellsd_SOURCES = %D%/main.c
%C%_cellsd_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_cellsd_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_cellsd_LDADD = %D%/libcellsd.a $(LIBCELLS) $(CELLSD_LIBS)

# The device program: compiled for the kernel's virtual machine, then embedded.
EXTRA_DIST += %D%/device.bpf.c
CLEANFILES += %D%/device.bpf.o
%D%/device.bpf.o: %D%/device.bpf.c %D%/verdict.h
	$(AM_V_GEN)$(MKDIR_P) %D% && $(CLANG) -O2 -g -Wall -target bpf \
		-I$$($(CC) -print-sysroot 2>/dev/null)/usr/include/$$($(CC) -print-multiarch) \
		-c $(srcdir)/%D%/device.bpf.c -o $@
	$(AM_V_at)llvm-strip -g $@ 2>/dev/null || true
%D%/libcellsd_a-program.$(OBJEXT): %D%/device.bpf.o

noinst_LIBRARIES += %D%/libcellsctl.a
%C%_libcellsctl_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(JANSSON_CFLAGS)
%C%_libcellsctl_a_SOURCES = \
	%D%/ctl/ctl.c %D%/ctl/ctl.h \
	%D%/ctl/ctldevice.c \
	%D%/ctl/ctlpolicy.c \
	%D%/ctl/ctlrelay.c %D%/ctl/ctlrelay.h \
	%D%/ctl/ctlsecret.c %D%/ctl/ctlsecret.h \
	%D%/ctl/ctlshow.c %D%/ctl/ctlshow.h \
	%D%/ctl/ctlterm.c %D%/ctl/ctlterm.h

bin_PROGRAMS += %D%/cellsctl
%C%_cellsctl_SOURCES = %D%/ctl/main.c
%C%_cellsctl_LDADD = %D%/libcellsctl.a $(BASE_LIBS) $(SYSTEMD_LIBS)

noinst_LIBRARIES += %D%/libdevnsctl.a
%C%_libdevnsctl_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_libdevnsctl_a_SOURCES = \
	%D%/devnsctl/nsctl.c %D%/devnsctl/nsctl.h \
	%D%/devnsctl/nsfollow.c \
	%D%/devnsctl/nsholder.c \
	%D%/devnsctl/nsname.c %D%/devnsctl/nsname.h \
	%D%/devnsctl/nsview.c

# It has cellsd's own way to the module, and cellsctl's tables.
sbin_PROGRAMS += %D%/devnsctl/devnsctl
%C%_devnsctl_devnsctl_SOURCES = %D%/devnsctl/main.c
%C%_devnsctl_devnsctl_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_devnsctl_devnsctl_LDADD = %D%/libdevnsctl.a %D%/libcellsctl.a \
	%D%/libcellsd.a $(BASE_LIBS) $(NL_LIBS)
