#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The emulated phone's init when systemd is to be what follows: puts the installed
# tree (cells.installed=) over the root, and the lab's jobs under a unit of their own.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
modules=$1
here=$(dirname "$0")
mount -t proc proc /proc
installed=$(sed -n 's/.*cells\.installed=\([^ ]*\).*/\1/p' /proc/cmdline)
mkdir -p /lib/modules
mount --bind "$modules" /lib/modules
cp -a "$installed/." /
# What the machine that builds has made or switched on is not the phone's.
sed -i '/^cells/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow
rm -rf /etc/systemd/system/*.wants /etc/fstab /var/lib/cells /.dockerenv
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
hostname phone
# What a package does once it is unpacked.
systemd-sysusers
# Nothing else is to be brought up to date, and an emulated processor has better
# things to do than to look for hardware.
touch /etc/.updated /var/.updated
for unit in systemd-udev-trigger.service kmod-static-nodes.service systemd-modules-load.service \
	systemd-journal-flush.service systemd-random-seed.service modprobe@.service; do
	ln -s /dev/null "/etc/systemd/system/$unit"
done
# /tmp is the host's and may hold this very tree: nothing of it is cleaned.
mkdir /etc/systemd/system/systemd-tmpfiles-setup.service.d
cat >/etc/systemd/system/systemd-tmpfiles-setup.service.d/lab.conf <<END
[Service]
ExecStart=
ExecStart=systemd-tmpfiles --create --boot --prefix=/run --prefix=/var/lib/cells
END
cat >/etc/systemd/system/lab.target <<END
[Unit]
Wants=lab.service dbus.socket
END
cat >/etc/systemd/system/lab.service <<END
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/bin/python3 $here/job.py
END
exec /lib/systemd/systemd --show-status=no --unit=lab.target
