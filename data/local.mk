# SPDX-License-Identifier: Apache-2.0
dist_dbuspolicy_DATA = %D%/org.cells.conf
dist_sysusers_DATA = %D%/cells.sysusers.conf
hardwaredir = $(pkgdatadir)/hardware.d
dist_hardware_DATA = %D%/hardware.d/default.conf
EXTRA_DIST += %D%/hardware.d/demo.conf
