#!/bin/sh
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Doors, scans and applications together: ufw with the rules that a detector of port scans reads, and a recorder where
# mail is sent. A real mail system would need a network.
set -eu

grep -q '\[IPTABLES\]' /etc/ufw/before.rules ||
    sed -i '/^COMMIT/i -A ufw-before-input -m limit --limit 3/min -j LOG --log-tcp-options --log-prefix "[IPTABLES] "' \
        /etc/ufw/before.rules
for port in 21 22 80 8080 2222; do ufw allow "$port/tcp" >/dev/null; done
ufw --force enable
cat >/usr/local/bin/mail <<'EOF'
#!/bin/sh
{ echo "MAIL $*"; cat; echo END; } >>/var/tmp/mails
EOF
chmod 755 /usr/local/bin/mail
