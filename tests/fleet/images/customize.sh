#!/bin/sh
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# mmdebstrap's customize hook: what every image of the fleet has beyond its packages. $1 is the root directory.
set -eu
root=$1

# The login that Ansible uses (Debian has a group of that name). Its public key arrives when a host is made. "*" is a password nobody can type,
# and unlike "!" sshd with PAM does not call the account locked.
chroot "$root" useradd --create-home --gid operator --shell /bin/bash --password '*' operator
echo 'operator ALL=(ALL:ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/operator"
chmod 0440 "$root/etc/sudoers.d/operator"

# Identity belongs to a host, not to an image.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"

# apt's nightly timers would take the package lock in the middle of a test.
chroot "$root" systemctl mask apt-daily.timer apt-daily-upgrade.timer
# No virtual console in a container.
chroot "$root" systemctl mask getty.target console-getty.service
# A container's modules, devices and clock are its kernel owner's business.
chroot "$root" systemctl mask systemd-udevd.service systemd-timesyncd.service modprobe@.service sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-kernel-config.mount

rm -rf "$root"/var/cache/apt/*.bin "$root"/var/log/apt
# Not fail2ban's, which its package makes, empty and for the group adm; a fail2ban without it makes one for root alone.
find "$root/var/log" -maxdepth 1 -name '*.log' ! -name fail2ban.log -delete
