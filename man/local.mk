# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += \
	%D%/cellsadm.1 \
	%D%/cellsctl.1 \
	%D%/cellsd.8 \
	%D%/devnsctl.8 \
	%D%/cells-admin.conf.5 \
	%D%/cells-agent.8 \
	%D%/cells-command.5 \
	%D%/cells-device-policy.5 \
	%D%/cells-document.5 \
	%D%/cells-envelope.5 \
	%D%/cells-group.5 \
	%D%/cells-hardware.5 \
	%D%/cells-image.1 \
	%D%/cells-image.5 \
	%D%/cells-key.5 \
	%D%/cells-mgmtd.8 \
	%D%/cells-limits.7 \
	%D%/cells-modes.7 \
	%D%/cells-receipt.5 \
	%D%/cells-policyd.8 \
	%D%/cells-root.5 \
	%D%/cells-status.5 \
	%D%/cells-vp-config.5 \
	%D%/cells-vp.7

# Made from the table of reason codes.
man_MANS = %D%/cells-reasons.7
CLEANFILES += %D%/cells-reasons.7
EXTRA_DIST += %D%/cells-reasons.7.in %D%/reasons.awk
%D%/cells-reasons.7: schema/reasons.def %D%/cells-reasons.7.in %D%/reasons.awk
	$(AM_V_GEN)$(MKDIR_P) %D% && $(AWK) -f $(srcdir)/%D%/reasons.awk \
		$(srcdir)/schema/reasons.def \
		$(srcdir)/%D%/cells-reasons.7.in >$@.tmp && mv $@.tmp $@
