# SPDX-License-Identifier: Apache-2.0
# What kernel and user space share. The module itself is built by Kbuild.
EXTRA_DIST += \
	%D%/uapi/cells/class.h \
	%D%/uapi/cells/mode.h
