# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page does: it sorts and filters its table of bans. Without it the table is there all the same.

Nothing is ever inserted here: the page's policy admits this text by its hash.

Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

SCRIPT = """
"use strict";
(function () {
  var table = document.getElementById("bans");
  if (!table) { return; }
  function by(id) { return document.getElementById(id); }
  function each(list, what) { Array.prototype.forEach.call(list, what); }
  var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows), heads = table.tHead.rows[0].cells;
  var text = by("text"), host = by("host"), source = by("source"), only = by("only"), status = by("shown");
  var words = [], waiting = 0;

  // Hosts and sources of a row are numbers, those of the options of the two lists.
  function names(list, numbers) {
    return numbers.split(" ").map(function (number) { return list.options[Number(number) + 1].text; }).join(" ");
  }
  function wordsOf(index) {
    if (words[index] === undefined) {
      var row = rows[index];
      words[index] = (row.textContent + " " + names(host, row.dataset.h) + " " + names(source, row.dataset.s))
        .toLowerCase();
    }
    return words[index];
  }
  function holds(numbers, wanted) { return !wanted || (" " + numbers + " ").indexOf(" " + wanted + " ") >= 0; }
  function filter() {
    var wanted = text.value.trim().toLowerCase(), shown = 0;
    rows.forEach(function (row, index) {
      var data = row.dataset;
      var keep = holds(data.h, host.value) && holds(data.s, source.value) && holds(data.f, only.value) &&
        (!wanted || wordsOf(index).indexOf(wanted) >= 0);
      if (row.hidden === keep) { row.hidden = !keep; }
      if (keep) { shown += 1; }
    });
    status.textContent = shown === rows.length ? "All " + shown + " rows are shown." :
      shown + " of " + rows.length + " rows are shown.";
  }
  function soon() { window.clearTimeout(waiting); waiting = window.setTimeout(filter, 120); }

  function keyOf(cell) {
    if (cell.dataset.k !== undefined) { return Number(cell.dataset.k); }
    return cell.textContent.trim().toLowerCase();
  }
  function sort(column, head) {
    var down = head.getAttribute("aria-sort") === "ascending";
    each(heads, function (cell) { cell.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    var keyed = Array.prototype.map.call(body.rows, function (row, index) {
      return { key: keyOf(row.cells[column]), row: row, index: index };
    });
    keyed.sort(function (a, b) {
      if (a.key === b.key) { return a.index - b.index; }
      return (a.key < b.key) === down ? 1 : -1;
    });
    var all = document.createDocumentFragment();
    keyed.forEach(function (one) { all.appendChild(one.row); });
    body.appendChild(all);
  }
  each(heads, function (cell, column) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    cell.textContent = "";
    cell.appendChild(button);
    button.addEventListener("click", function () { sort(column, cell); });
  });
  ["input", "change"].forEach(function (name) { text.addEventListener(name, soon); });
  [host, source, only].forEach(function (list) { list.addEventListener("change", filter); });
  by("controls").addEventListener("reset", function () { window.setTimeout(filter, 0); });
  by("controls").hidden = false;
  filter();
}());
"""
