# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page consists of, as a template.

No ``style`` attributes and no handlers in it: the page's policy refuses them. Everything that came from a host goes
through ``visible``, or a filter that does.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

_BARS = r"""
{% macro bars(chart) %}
<div class="card">
<table class="bars">
<caption>{{ chart.title }} <span class="about">{{ chart.what }}</span></caption>
<tbody>
{% for row in chart.rows %}
<tr {%- if not row.size %} class="rest"{% endif %}><th scope="row">{{ row.name | visible }}</th>
{% if loop.first %}
<td class="plot" rowspan="{{ chart.rows | length }}">
<svg role="img" width="100%" height="{{ chart.rows | length * 2 }}em" viewBox="0 0 100 {{ chart.rows | length * 20 }}"
 preserveAspectRatio="none" aria-labelledby="{{ chart.id }}-title {{ chart.id }}-desc">
<title id="{{ chart.id }}-title">{{ chart.title }}</title>
<desc id="{{ chart.id }}-desc">{{ chart.text | visible }} The numbers stand in the rows of this table.</desc>
{% for bar in chart.rows if bar.size %}
<rect class="track" y="{{ loop.index0 * 20 + 5 }}" width="100" height="10"/>
<rect class="bar" y="{{ loop.index0 * 20 + 5 }}" width="{{ bar.size }}" height="10"/>
{% endfor %}
</svg></td>
{% endif %}
<td class="n">{{ row.number | number }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endmacro %}
"""

_COLUMNS = r"""
{% macro columns(chart) %}
<figure class="columns card">
<figcaption>{{ chart.title }} <span class="about">{{ chart.text }}</span></figcaption>
<svg role="img" viewBox="0 0 {{ chart.rows | length * 10 }} 100" preserveAspectRatio="none"
 aria-labelledby="{{ chart.id }}-title {{ chart.id }}-desc">
<title id="{{ chart.id }}-title">{{ chart.title }}</title>
<desc id="{{ chart.id }}-desc">{{ chart.text }} The numbers follow below.</desc>
{% for row in chart.rows %}
<rect class="bar" x="{{ loop.index0 * 10 + 1 }}" y="{{ 100 - row.size | float }}" width="8" height="{{ row.size }}">
<title>{{ row.name }}: {{ row.number }}</title></rect>
{% endfor %}
</svg>
<p class="ticks" aria-hidden="true">{% for tick in chart.ticks %}<span>{{ tick }}</span>{% endfor %}</p>
<details><summary>Numbers</summary>
<div class="scroll" tabindex="0" role="region" aria-label="{{ chart.title }}">
<table class="list"><caption class="unseen">{{ chart.title }}</caption>
<thead><tr><th scope="col">Time</th><th scope="col" class="n">{{ chart.what }}</th></tr></thead>
<tbody>
{% for row in chart.rows %}
<tr><th scope="row">{{ row.name }}</th><td class="n">{{ row.number | number }}</td></tr>
{% endfor %}
</tbody></table>
</div></details>
</figure>
{% endmacro %}
"""

_TOP = r"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} {{ report.generated_at }}</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#bans-title">Skip to the table of bans</a>
<header>
<h1>{{ title }}</h1>
<p class="when"><time datetime="{{ report.generated_at }}">{{ report.generated_at | moment }}</time></p>
<p class="lede">{{ lede }}</p>
<dl class="figures">
{% for number, name in figures %}
<div {%- if loop.first %} class="first"{% endif %}><dt>{{ name }}</dt><dd>{{ number | number }}</dd></div>
{% endfor %}
</dl>
</header>
<main>
"""

_FINDINGS = r"""
{% macro finding_row(who, finding) %}
<tr><th scope="row">{{ who }}</th>
<td class="state {{ {"high": "bad", "medium": "warn"}.get(finding.severity, "") if "reason" not in finding }}">
{{ finding.severity }}</td>
<td class="wide-cell">{{ finding.title | visible }} <span class="in">{{ finding.id | visible }}</span>
{%- if finding.get("change") == "new" %} <span class="tag">new</span>{% endif %}</td>
<td>{{ finding.evidence | visible }}</td>
<td class="wide-cell">
{%- if "reason" in finding %}waived until {{ finding.expires | visible }}: {{ finding.reason | visible }}
{%- else %}{{ finding.remedy | visible }}{% endif %}</td>
<td>{{ finding.reference | visible }}</td></tr>
{% endmacro %}
<section aria-labelledby="findings-title">
<h2 id="findings-title">Findings</h2>
<p class="note">
{%- for severity, number in audit.summary.items() %}
{{ number }} {{ severity }}{{ ", " if not loop.last }}{% endfor %}
{%- if audit.get("waived") %}, {{ audit.waived }} waived{% endif %}
{%- if audit.get("drift") %}. Since the audit of {{ audit.drift.since | visible }}: {{ audit.drift.new }} new,
{{ audit.drift.gone }} gone{% endif %}.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Findings">
<table class="list">
<caption class="unseen">Findings of the audit</caption>
<thead><tr><th scope="col">Host</th><th scope="col">Severity</th><th scope="col">Finding</th>
<th scope="col">Evidence</th><th scope="col">Remedy</th><th scope="col">Reference</th></tr></thead>
<tbody>
{% for finding in audit.get("fleet", []) %}{{ finding_row("the audit", finding) }}{% endfor %}
{% for name, finding in findings %}{{ finding_row(name | visible, finding) }}{% endfor %}
</tbody>
</table>
</div>
</section>
"""

_LOOK = r"""
{% if look or report.notes %}
<section aria-labelledby="look-title">
<h2 id="look-title">Worth a look</h2>
<ul class="look card">
{% for host in look %}
<li><b>{{ host.name | visible }}</b> <span class="state {{ host.state | tone }}">{{ host.state }}</span>
{{ host | remarks }}</li>
{% endfor %}
{% if more_look %}<li class="note">and {{ more_look }} more, see the table of hosts</li>{% endif %}
{% for note in report.notes %}
<li>{{ note | visible }}</li>
{% endfor %}
</ul>
</section>
{% endif %}
"""

_CHARTS = r"""
{% if report.bans or report.summary.by_day.values() | sum %}
<section aria-labelledby="charts-title">
<h2 id="charts-title">At a glance</h2>
<div class="grid">
{% for chart in over_time %}{{ columns(chart) }}{% endfor %}
{% for chart in charts if chart.rows %}{{ bars(chart) }}{% endfor %}
</div>
</section>
{% endif %}
{% if report.proposals %}
<section aria-labelledby="proposals-title">
<h2 id="proposals-title">Proposed for permanent bans</h2>
<div class="card">
<p>Many hosts, or many addresses of one network. Nothing here touches the whitelist or a private network.
Look at them before you take them over; proposals.yml is the same text.</p>
<pre tabindex="0" role="region" aria-label="Proposed permanent bans as YAML">{{ snippet }}</pre>
</div>
</section>
{% endif %}
"""

_BANS = r"""
<section aria-labelledby="bans-title">
<h2 id="bans-title" tabindex="-1">Bans in force</h2>
{% if bans %}
<p class="note">Times are UTC.
{%- if left_out %}
 The newest {{ bans | length | number }} of {{ report.bans | length | number }};
bans.csv and bans.json hold all of them.
{%- endif %}</p>
<form class="controls" id="controls" role="search" aria-label="Bans" hidden>
<label>Search <input id="text" type="search" autocomplete="off" spellcheck="false"></label>
<label>Show <select id="only"><option value="">all bans</option>
{% for letter, name in flags %}<option value="{{ letter }}">{{ name }}</option>
{% endfor %}</select></label>
<label>Host <select id="host"><option value="">all hosts</option>
{% for name in hosts %}<option value="{{ loop.index0 }}">{{ name | visible }}</option>
{% endfor %}</select></label>
<label>Source <select id="source"><option value="">all sources</option>
{% for name in sources %}<option value="{{ loop.index0 }}">{{ name | visible }}</option>
{% endfor %}</select></label>
<output id="shown" role="status" for="text only host source"></output>
</form>
<div class="scroll" tabindex="0" role="region" aria-label="Bans in force">
<table id="bans" class="list">
<caption class="unseen">Bans in force, times in UTC; the buttons in its head sort it</caption>
<thead><tr><th scope="col" class="a">Address</th>
{%- if countries %}<th scope="col">Country</th>{% endif %}<th scope="col">Hosts</th>
<th scope="col">Source</th><th scope="col">Reason</th><th scope="col" aria-sort="descending">Since</th>
<th scope="col">Until</th>{% if repeated %}<th scope="col" class="n">Times</th>{% endif %}</tr></thead>
<tbody>
{% for ban in bans %}
<tr data-h="{{ ban.hosts | host_numbers }}" data-s="{{ ban.sources | source_numbers }}" data-f="{{ ban | flags }}">
<th scope="row" class="a" data-k="{{ ranks[loop.index0] }}">{{ ban.network }}
{%- if ban.get("new") %}<span class="tag">new</span>{% endif %}
{%- if ban.get("covered_by") %}<span class="in">in {{ ban.covered_by }}</span>{% endif %}</th>
{%- if countries %}<td class="t">{{ ban.country }}</td>{% endif %}
<td class="wide-cell" data-k="{{ ban.hosts | length }}">{{ ban.hosts | some }}</td><td>{{ ban.sources | some }}</td>
<td class="wide-cell">{{ ban.reason | visible }}</td><td class="t">{{ ban.since | minute }}</td>
<td class="t">{{ ban.until | minute }}</td>
{%- if repeated %}<td class="n" data-k="{{ ban.times }}">{{ ban.times }}</td>{% endif %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% else %}
<p class="card empty">No bans are in force.</p>
{% endif %}
</section>
"""

_HOSTS = r"""
<section aria-labelledby="hosts-title">
<h2 id="hosts-title">Hosts</h2>
{% if report.hosts %}
<div class="scroll" tabindex="0" role="region" aria-label="Hosts">
<table class="list">
<caption class="unseen">Hosts, those that are worth a look first</caption>
<thead><tr><th scope="col" class="a">Host</th><th scope="col">State</th><th scope="col" class="n">Bans</th>
<th scope="col">Jails</th><th scope="col">Running</th><th scope="col" class="n">Whitelisted</th>
<th scope="col">Remarks</th></tr></thead>
<tbody>
{% for host in worst_first %}
<tr><th scope="row" class="a">{{ host.name | visible }}</th>
<td class="state {{ host.state | tone }}">{{ host.state }}</td>
{% if host.state in ("unreachable", "failed") %}
<td class="n t">unknown</td><td></td><td></td><td></td>
{% else %}
<td class="n">{{ host.bans | number }}{{ " (newest only)" if host.truncated }}</td>
<td>{% for jail in host.jails %}{{ jail | jail }}{{ ", " if not loop.last }}{% endfor %}</td>
<td>{{ host.services | short }}</td><td class="n">{{ host.whitelist | number }}</td>
{% endif %}
<td class="wide-cell">{{ host | remarks }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% else %}
<p class="card empty">No hosts were asked.</p>
{% endif %}
</section>
"""

_END = r"""
</main>
<footer>Made by stockade.fleet. This page asks nobody for anything.</footer>
<script>{{ script }}</script>
</body>
</html>
"""

PAGE = _BARS + _COLUMNS + _TOP + _LOOK + _CHARTS + _BANS + _HOSTS + _END
# Who audits looks at hosts, and at bans only then.
AUDIT_PAGE = _BARS + _COLUMNS + _TOP + _FINDINGS + _LOOK + _HOSTS + _CHARTS + _BANS + _END
