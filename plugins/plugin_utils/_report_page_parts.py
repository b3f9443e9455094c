# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page is made of: template, style, script.

Style and script must stay free of anything inserted: the page's policy admits them by their hash. No ``style``
attributes in the template either, the policy refuses them.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1b2430; --soft: #566273; --line: #d9dee6;
  --bar: #2f6fb2; --bad: #b3261e; --warn: #8a5300; --good: #1c6b3a; }
@media (prefers-color-scheme: dark) {
  :root { --back: #12161c; --card: #1a2029; --text: #e4e9f0; --soft: #a3afbf; --line: #323c4a;
    --bar: #6aa9e9; --bad: #ff8a80; --warn: #f2b65a; --good: #7bd39a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
.when, .note { color: var(--soft); margin: .2rem 0 1.2rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; padding: 0; margin: 0; list-style: none; }
.tiles li, .card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem; }
.tiles b { display: block; font-size: 1.6rem; line-height: 1.2; }
.charts { display: flex; flex-wrap: wrap; gap: .8rem; } .charts figure { flex: 1 1 30rem; margin: 0; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
svg { width: 100%; height: auto; max-width: 44rem; display: block; }
svg text { fill: var(--text); font: 13px system-ui, sans-serif; } svg rect { fill: var(--bar); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .4rem .8rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; } td { overflow-wrap: anywhere; }
td.n, th.n { text-align: right; } td.a { font-family: ui-monospace, monospace; white-space: nowrap; }
td.t { white-space: nowrap; }
thead th { white-space: nowrap; color: var(--soft); font-weight: 600; }
th button { all: unset; cursor: pointer; } th button:focus-visible, input:focus-visible, select:focus-visible {
  outline: 2px solid var(--bar); outline-offset: 2px; }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
.controls { display: flex; flex-wrap: wrap; gap: .8rem; align-items: end; margin-bottom: .8rem; }
.controls label { display: grid; gap: .2rem; color: var(--soft); }
input, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .35rem .6rem; height: 2.3rem; min-width: 12rem; max-width: 20rem; }
.bad { color: var(--bad); font-weight: 600; } .warn { color: var(--warn); font-weight: 600; }
.good { color: var(--good); }
[hidden] { display: none; }
@media print { body { background: #fff; } .controls { display: none; }
  .scroll { overflow: visible; } tr { break-inside: avoid; } }
"""

SCRIPT = """
"use strict";
(function () {
  var table = document.getElementById("bans");
  if (!table) { return; }
  var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
  var controls = document.getElementById("controls"), status = document.getElementById("shown");
  var text = document.getElementById("text"), host = document.getElementById("host");
  var source = document.getElementById("source");
  var words = rows.map(function (row) { return (row.textContent + " " + row.dataset.hosts).toLowerCase(); });
  function holds(list, value) { return !value || list.split("\\n").indexOf(value) >= 0; }
  function filter() {
    var wanted = text.value.trim().toLowerCase(), shown = 0;
    rows.forEach(function (row, index) {
      var keep = words[index].indexOf(wanted) >= 0 &&
        holds(row.dataset.hosts, host.value) && holds(row.dataset.sources, source.value);
      row.hidden = !keep;
      if (keep) { shown += 1; }
    });
    status.textContent = shown + " of " + rows.length + " rows shown";
  }
  function sort(column, head) {
    var down = head.getAttribute("aria-sort") === "ascending";
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell) { cell.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    var keyed = rows.map(function (row, index) {
      var cell = row.cells[column];
      return { key: cell.dataset.key || cell.textContent.trim().toLowerCase(), row: row, index: index };
    });
    keyed.sort(function (a, b) {
      if (a.key === b.key) { return a.index - b.index; }
      return (a.key < b.key) === !down ? -1 : 1;
    });
    var all = document.createDocumentFragment();
    keyed.forEach(function (one) { all.appendChild(one.row); });
    body.appendChild(all);
  }
  Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell, column) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    cell.textContent = "";
    cell.appendChild(button);
    button.addEventListener("click", function () { sort(column, cell); });
  });
  text.addEventListener("input", filter);
  host.addEventListener("change", filter);
  source.addEventListener("change", filter);
  controls.hidden = false;
  filter();
}());
"""

PAGE = r"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ban report {{ report.generated_at }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>Ban report</h1>
<p class="when">Gathered <time datetime="{{ report.generated_at }}">{{ report.generated_at }}</time>,
all times in UTC</p>
<ul class="tiles">
{% for number, name in tiles %}
<li><b>{{ number }}</b> {{ name }}</li>
{% endfor %}
</ul>
{% if report.bans %}
<h2>At a glance</h2>
<div class="charts">
{% for chart in charts %}
<figure class="card">
<figcaption>{{ chart.title }}</figcaption>
<svg viewBox="0 0 620 {{ chart.height }}" role="img" aria-label="{{ chart.title }}:
{%- for bar in chart.bars %} {{ bar.name | visible }} {{ bar.number }}{{ "," if not loop.last }}{% endfor %}">
{% for bar in chart.bars %}
<text x="195" y="{{ loop.index0 * 26 + 18 }}" text-anchor="end">{{ bar.name | visible }}</text>
<rect x="203" y="{{ loop.index0 * 26 + 4 }}" width="{{ bar.size }}" height="19" rx="2"/>
<text x="{{ 211 + bar.size }}" y="{{ loop.index0 * 26 + 18 }}">{{ bar.number }}</text>
{% endfor %}
</svg>
</figure>
{% endfor %}
</div>
{% endif %}
<h2>Hosts</h2>
{% if report.hosts %}
<div class="scroll" tabindex="0" role="region" aria-label="Hosts">
<table>
<thead><tr><th scope="col">Host</th><th scope="col">State</th><th scope="col" class="n">Bans</th>
<th scope="col">Jails</th><th scope="col">Running</th><th scope="col" class="n">Whitelisted</th>
<th scope="col">Remarks</th></tr></thead>
<tbody>
{% for host in report.hosts %}
<tr><th scope="row">{{ host.name | visible }}</th>
<td class="t {{ {"enforcing": "good", "fail2ban only": "warn"}.get(host.state, "bad") }}">{{ host.state }}</td>
{% if host.state in ("unreachable", "failed") %}
<td class="n">unknown</td><td></td><td></td><td></td>
{% else %}
<td class="n">{{ host.bans }}{{ " (newest only below)" if host.truncated }}</td>
<td>{% for jail in host.jails %}{{ jail | jail }}{{ ", " if not loop.last }}{% endfor %}</td>
<td>{{ host.services | short }}</td><td class="n">{{ host.whitelist }}</td>
{% endif %}
<td>{{ ([host.message] + host.problems) | select | map("visible") | join("; ") }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% else %}
<p class="note">No hosts were asked.</p>
{% endif %}
{% if audit %}
<h2>Findings</h2>
<p class="note">
{%- for severity, number in audit.summary.items() %}
{{ number }} {{ severity }}{{ ", " if not loop.last }}{% endfor %}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Findings">
<table>
<thead><tr><th scope="col">Host</th><th scope="col">Severity</th><th scope="col">Finding</th>
<th scope="col">Evidence</th><th scope="col">Remedy</th><th scope="col">Reference</th></tr></thead>
<tbody>
{% for host in audit.hosts %}
{% for finding in host.findings %}
<tr><th scope="row">{{ host.name | visible }}</th>
<td class="{{ {"high": "bad", "medium": "warn"}.get(finding.severity, "") }}">{{ finding.severity }}</td>
<td>{{ finding.title | visible }} <span class="note">{{ finding.id | visible }}</span></td>
<td>{{ finding.evidence | visible }}</td><td>{{ finding.remedy | visible }}</td>
<td>{{ finding.reference | visible }}</td></tr>
{% endfor %}
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
<h2>Bans</h2>
{% if bans %}
{% if left_out %}
<p class="note">The newest {{ bans | length }} of {{ report.bans | length }};
bans.csv and bans.json hold all of them.</p>
{% endif %}
<div class="controls" id="controls" hidden>
<label>Search <input id="text" type="search" autocomplete="off" spellcheck="false"></label>
<label>Host <select id="host"><option value="">all</option>
{% for name in hosts %}<option value="{{ name | visible }}">{{ name | visible }}</option>
{% endfor %}</select></label>
<label>Source <select id="source"><option value="">all</option>
{% for name in sources %}<option value="{{ name | visible }}">{{ name | visible }}</option>
{% endfor %}</select></label>
<span id="shown" role="status"></span>
</div>
<div class="scroll" tabindex="0" role="region" aria-label="Bans">
<table id="bans">
<thead><tr><th scope="col">Address</th><th scope="col">Hosts</th><th scope="col">Source</th><th scope="col">Reason</th>
<th scope="col" aria-sort="descending">Since</th><th scope="col">Until</th></tr></thead>
<tbody>
{% for ban in bans %}
<tr data-hosts="{{ ban.hosts | map("visible") | join("\n") }}"
 data-sources="{{ ban.sources | map("visible") | join("\n") }}">
<td class="a" data-key="{{ sort_key(ban.network) }}">{{ ban.network }}</td><td>{{ ban.hosts | some }}</td>
<td>{{ ban.sources | some }}</td><td>{{ ban.reason | visible }}</td><td class="t">{{ ban.since }}</td>
<td class="t" {%- if ban.until == "permanent" %} data-key="~"{% endif %}>{{ ban.until }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% else %}
<p class="note">No bans are in force.</p>
{% endif %}
</main>
<script>{{ script }}</script>
</body>
</html>
"""
