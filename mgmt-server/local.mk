# SPDX-License-Identifier: Apache-2.0
include mgmt-server/cellsadm/local.mk
