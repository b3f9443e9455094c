# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the page looks. Nothing is ever inserted here: the page's policy admits this text by its hash.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --paper: #f5f4f0; --card: #fffefc; --ink: #1e2832; --soft: #56616d; --line: #dddad1; --track: #ebe8e0;
  --accent: #1f5f80; --bad: #a4261b; --warn: #7a4b00; --good: #20633b; --mark: #e3eef4; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #10151a; --card: #171e25; --ink: #e5e9ed; --soft: #a3afba; --line: #2b3640; --track: #212b34;
  --accent: #74b6d8; --bad: #ff9489; --warn: #efba62; --good: #80d0a1; --mark: #1c303d; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", sans-serif; }
header, main, footer { max-width: 88rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 3rem); }
header { padding-top: clamp(1.5rem, 5vw, 3.5rem); }
h1 { font-size: clamp(1.75rem, 4vw, 2.5rem); line-height: 1.15; letter-spacing: -.02em; margin: 0; }
h2 { font-size: 1.3rem; line-height: 1.3; letter-spacing: -.01em; margin: 3.2rem 0 .9rem; }
h3, caption, figcaption { font-size: 1rem; font-weight: 600; text-align: left; }
p { margin: .4rem 0; }
.when, .note, .what, .about { color: var(--soft); }
.when { margin: .35rem 0 0; }
.lede { font-size: 1.15rem; max-width: 46rem; margin: 1.1rem 0 0; }
a { color: var(--accent); }
.skip { position: absolute; left: -99rem; background: var(--card); padding: .6rem 1rem; z-index: 9; }
.skip:focus { left: 1rem; top: 1rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: 1.4rem 1.2rem;
  margin: 2rem 0 0; padding: 1.5rem 0; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.figures dt { color: var(--soft); font-size: .9rem; line-height: 1.35; }
.figures dd { margin: 0; font-size: 2.1rem; line-height: 1.2; font-weight: 600; letter-spacing: -.03em;
  font-variant-numeric: tabular-nums; }
.figures .first dd { color: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1.1rem 1.3rem 1.2rem;
  margin: 0; min-width: 0; }
.look { list-style: none; columns: 2 26rem; column-gap: 2.5rem; padding: .7rem 1.3rem; }
.look li { padding: .45rem 0; overflow-wrap: anywhere; break-inside: avoid; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1.1rem; }
.grid > :last-child:nth-child(odd) { grid-column: 1 / -1; }
figcaption .about, caption .about { display: block; font-weight: 400; font-size: .875rem; }
svg { display: block; width: 100%; fill: var(--accent); }
svg .track { fill: var(--track); }
.columns svg { height: 9.5rem; border-bottom: 1px solid var(--line); margin-top: 1rem; }
.columns rect:hover { fill: var(--ink); }
.ticks { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem; margin: .3rem 0 0;
  font-variant-numeric: tabular-nums; }
details { margin-top: .5rem; font-size: .875rem; }
summary { cursor: pointer; color: var(--soft); width: max-content; max-width: 100%; }
details .scroll { max-height: 16rem; margin-top: .5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { padding-bottom: .8rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.bars { table-layout: fixed; font-size: .9rem; }
.bars tr { height: 2em; }
.bars th, .bars td { padding: 0; height: 2em; border: 0; line-height: 2em; }
.bars th { width: 40%; font-weight: 400; text-align: left; padding-right: .8rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.bars .plot { vertical-align: top; }
.bars .n { width: 4.6rem; font-weight: 600; }
.bars .rest > * { color: var(--soft); font-weight: 400; }
.scroll { overflow: auto; max-height: 80vh; max-height: 80svh; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; }
.list { font-size: .9rem; }
.list th, .list td { text-align: left; padding: .5rem .8rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.list tbody th { font-weight: 600; }
.list tbody tr:last-child > * { border-bottom: 0; }
.list tbody tr:hover > * { background: var(--mark); }
.list thead th { position: sticky; top: 0; z-index: 2; background: var(--card); color: var(--soft); font-weight: 600;
  white-space: nowrap; box-shadow: inset 0 -1px var(--line); border: 0; }
.list td { overflow-wrap: anywhere; min-width: 10.5rem; }
.list td.wide-cell { min-width: 12.6rem; }
.list .n, .bars .n { text-align: right; }
.list .n, .list .t, .list .state { white-space: nowrap; min-width: 0; }
.list .a { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .875rem;
  font-weight: 400; white-space: nowrap; position: sticky; left: 0; z-index: 1; background: var(--card); }
.list thead .a { z-index: 3; font: inherit; font-weight: 600; }
.tag { display: inline-block; border: 1px solid; border-radius: 1rem; padding: 0 .5rem; margin-left: .5rem;
  font: 600 .75rem/1.5 system-ui, sans-serif; color: var(--accent); }
.in { display: block; color: var(--soft); font-size: .8rem; }
th button { all: unset; cursor: pointer; padding: .1rem .2rem; margin: -.1rem -.2rem; border-radius: .2rem; }
th button:hover { color: var(--ink); }
th button:focus-visible { outline: 3px solid var(--accent); }
th button::after { content: "\\2195"; opacity: .45; padding-left: .35em; }
th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
.controls { display: flex; flex-wrap: wrap; gap: .8rem 1rem; align-items: end; margin-bottom: 1rem; }
.controls label { display: grid; gap: .2rem; color: var(--soft); font-size: .875rem; flex: 1 1 10rem; }
.controls label:first-child { flex-grow: 2; }
.controls output { flex: 1 0 100%; color: var(--soft); font-size: .9rem; }
input, select { font: inherit; font-size: 1rem; color: var(--ink); background: var(--card); width: 100%;
  border: 1px solid var(--soft); border-radius: .4rem; padding: .4rem .6rem; height: 2.6rem; }
pre { overflow: auto; max-height: 22rem; margin: .8rem 0 0; padding: 1rem; background: var(--track);
  border-radius: .4rem; font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.state { font-weight: 600; white-space: nowrap; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
.empty { padding: 2.2rem 1.3rem; text-align: center; color: var(--soft); }
footer { color: var(--soft); font-size: .875rem; padding-top: 2.5rem; padding-bottom: 3rem; }
[hidden] { display: none !important; }
@media (max-width: 40rem) {
  .figures { grid-template-columns: repeat(2, 1fr); }
  .figures dd { font-size: 1.8rem; }
  .card { padding: 1rem; }
  .list th, .list td { padding: .45rem .7rem; }
  .list .a { white-space: normal; overflow-wrap: anywhere; min-width: 9.5rem;
    max-width: 11rem; }
  .bars th { width: 46%; } .bars .n { width: 3.8rem; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --track: #eee;
    --accent: #1f5f80; --bad: #a4261b; --warn: #7a4b00; --good: #20633b; --mark: #fff; }
  @page { margin: 14mm; }
  body { font-size: 9.5pt; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  header { padding-top: 0; }
  .controls, .skip, details, th button::after { display: none !important; }
  .scroll, pre { overflow: visible; max-height: none; border: 0; }
  .list thead th, .list .a { position: static; }
  .list th, .list td { padding: .25rem .5rem; }
  .list { font-size: 7.5pt; }
  .list td, .list td.wide-cell { min-width: 4rem; }
  .list .t { white-space: normal; }
  pre { columns: 2; font-size: 7pt; white-space: pre-wrap; }
  .list .a { white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
  .card, tr, .figures { break-inside: avoid; } h2 { break-after: avoid; }
  .grid { grid-template-columns: 1fr 1fr; }
  svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (prefers-reduced-motion: no-preference) { .list tbody tr > * { transition: background-color .12s; } }
"""
