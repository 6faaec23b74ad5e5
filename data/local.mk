# SPDX-License-Identifier: Apache-2.0
dist_dbuspolicy_DATA = %D%/org.cells.conf
dist_sysusers_DATA = %D%/cells.sysusers.conf
hardwaredir = $(pkgdatadir)/hardware.d
dist_hardware_DATA = %D%/hardware.d/default.conf
EXTRA_DIST += %D%/hardware.d/demo.conf
# For semodule -i: see cellsd(8).
selinuxdir = $(pkgdatadir)/selinux
dist_selinux_DATA = %D%/selinux/cells.cil
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = %D%/completion/bash/cellsadm %D%/completion/bash/devnsctl
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = %D%/completion/zsh/_cellsadm %D%/completion/zsh/_devnsctl

# As a package does it: what is there, perhaps changed by an administrator, stays;
# and only what was not changed is taken away.
cellsconfdir = $(sysconfdir)/cells
CONFIGURATION = %D%/cells-agent.conf %D%/cells-policyd.conf %D%/cellsd.conf \
	%D%/cells-mgmtd.conf
EXTRA_DIST += $(CONFIGURATION)
install-configuration:
	$(MKDIR_P) "$(DESTDIR)$(cellsconfdir)"
	@for file in $(CONFIGURATION); do \
		to="$(DESTDIR)$(cellsconfdir)/$${file##*/}"; \
		if [ -e "$$to" ] || [ -L "$$to" ]; then \
			cmp -s "$(srcdir)/$$file" "$$to" || \
				echo "$$to is kept as it is"; \
		else \
			$(INSTALL_DATA) "$(srcdir)/$$file" "$$to" || exit; \
		fi; \
	done
uninstall-configuration:
	@for file in $(CONFIGURATION); do \
		to="$(DESTDIR)$(cellsconfdir)/$${file##*/}"; \
		! cmp -s "$(srcdir)/$$file" "$$to" || rm -f "$$to"; \
	done
.PHONY: install-configuration uninstall-configuration

# Units name the programs where they are installed.
UNITS = %D%/cells-agent.service %D%/cells-policyd.service %D%/cellsd.service \
	%D%/cells-mgmtd.service
systemunit_DATA = $(UNITS)
EXTRA_DIST += $(UNITS:=.in)
CLEANFILES += $(UNITS)
$(UNITS): %.service: %.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed 's|[@]sbindir[@]|$(sbindir)|g' \
		$(srcdir)/$@.in >$@.tmp && mv $@.tmp $@
