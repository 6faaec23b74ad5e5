# SPDX-License-Identifier: Apache-2.0
# Everything that is a contract; nothing else defines one.
noinst_HEADERS = %D%/reasons.def
dist_dbusinterface_DATA = \
	%D%/dbus/org.cells.Device1.xml \
	%D%/dbus/org.cells.Policy1.xml
EXTRA_DIST += %D%/ws/cells.v1.json %D%/ws/cells.v1.md %D%/openapi.yaml %D%/sql/mgmtd-001.sql \
	%D%/sql/mgmtd-002.sql %D%/sql/mgmtd-003.sql %D%/sql/mgmtd-004.sql
XSDS = \
	%D%/xsd/command.xsd \
	%D%/xsd/common.xsd \
	%D%/xsd/device-policy.xsd \
	%D%/xsd/group.xsd \
	%D%/xsd/image.xsd \
	%D%/xsd/membership.xsd \
	%D%/xsd/root.xsd \
	%D%/xsd/vp-config.xsd
EXTRA_DIST += $(XSDS) %D%/examples
