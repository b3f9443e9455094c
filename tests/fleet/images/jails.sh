#!/bin/sh
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# mmdebstrap's customize hook of the images for fail2ban: nginx has port 80, apache2 has port 8080, caddy
# waits until a scenario gives it one. $1 is the root directory.
set -eu
root=$1

sed -i 's/^Listen 80$/Listen 8080/' "$root/etc/apache2/ports.conf"
sed -i 's/<VirtualHost \*:80>/<VirtualHost *:8080>/' "$root/etc/apache2/sites-available/000-default.conf"
chroot "$root" systemctl disable caddy
