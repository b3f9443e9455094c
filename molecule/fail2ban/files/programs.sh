#!/bin/sh
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the programs of the images need so that somebody can fail at them: passwords, a limit, a log of their own.
set -eu

cat >/etc/nginx/conf.d/shop.conf <<'EOF'
limit_req_zone $binary_remote_addr zone=shop:1m rate=1r/m;
EOF
cat >/etc/nginx/sites-available/default <<'EOF'
server {
    listen 80 default_server;
    listen [::]:80 default_server;
    root /var/www/html;
    location /limited/ { limit_req zone=shop; try_files /index.nginx-debian.html =404; }
    location /private/ {
        auth_basic shop;
        auth_basic_user_file /etc/nginx/shop.users;
        try_files /index.nginx-debian.html =404;
    }
}
EOF
echo "bob:$(openssl passwd -1 right)" >/etc/nginx/shop.users
cp /etc/nginx/shop.users /etc/apache2/shop.users
# Missing scripts are worth no more than the level info to apache.
cat >/etc/apache2/conf-enabled/shop.conf <<'EOF'
LogLevel warn core:info
<Location "/private">
    AuthType Basic
    AuthName shop
    AuthUserFile /etc/apache2/shop.users
    Require valid-user
</Location>
EOF
id -u bob >/dev/null 2>&1 || useradd --create-home --shell /bin/bash bob
echo bob:right | chpasswd
mkdir -p /var/log/shop
: >/var/log/shop/login.log
systemctl reload nginx apache2
