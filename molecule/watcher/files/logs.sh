#!/bin/sh
# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# nginx beside its site: port 8081 logs as JSON, port 8082 with X-Forwarded-For behind. Caddy has port 8083. fail2ban does
# not ban here.
set -eu

systemctl disable --now fail2ban 2>/dev/null || true
cat >/etc/nginx/conf.d/logs.conf <<'EOF'
log_format as_json escape=json '{"time_iso8601":"$time_iso8601","remote_addr":"$remote_addr","request":"$request",'
    '"status":$status,"http_user_agent":"$http_user_agent","http_x_forwarded_for":"$http_x_forwarded_for"}';
log_format proxied '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
server {
    listen 8081;
    listen [::]:8081;
    root /var/www/html;
    access_log /var/log/nginx/shop.json.log as_json;
}
server {
    listen 8082;
    listen [::]:8082;
    root /var/www/html;
    access_log /var/log/nginx/proxied.log proxied;
}
EOF
sed -i '/root \/var\/www\/html;/a \    location /flood/ { return 204; }' /etc/nginx/conf.d/logs.conf /etc/nginx/sites-available/default
mkdir -p /var/www/html/flood # for apache2
echo x >/var/www/html/flood/x
systemctl reload nginx

cat >/etc/caddy/Caddyfile <<'EOF'
{
	admin off
	auto_https off
}
:8083 {
	log {
		output file /var/log/caddy/access.log
	}
	respond 204
}
EOF
systemctl start caddy
python3 -c 'import urllib.request as r; r.urlopen("http://localhost:8083/")' # makes the log
