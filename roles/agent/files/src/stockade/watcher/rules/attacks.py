# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks in the text of a request: injections, and paths that climb out of their tree.

Words alone are no attack: people search for `select from union street` and read about `information_schema`. A pattern
wants the syntax around them: a quote or a number that is broken out of, a call, a list of columns. All patterns work on
decoded lower-case text, bound what they repeat, and so take time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from stockade.watcher.rules.requestline import Target, resolve


def _any(*patterns: str) -> re.Pattern[bytes]:
    return re.compile("|".join(patterns).encode("ascii"), re.DOTALL)


_GAP = r"""[\s("'`+)-]{1,20}"""  # what may stand between two words of SQL
_UNION = rf"\bunion{_GAP}(?:(?:all|distinct){_GAP})?select\b"
_SQL = _any(
    # `union select` where a value begins or is broken out of, or with columns behind it
    rf"""(?:=|["'`)]|[=\s,(-]\d{{1,20}})\s{{0,20}}{_UNION}""",
    rf"""{_UNION}{_GAP}(?:\d|null\b|\*|@@|["'`]|0x|(?:char|concat|version|user|database)\s?\(|\w{{1,40}}(?:,|\sfrom\b))""",
    # ' or '1'='1
    r"""["'`]\s{0,20}\){0,9}\s{0,20}(?:or|and|xor|\|\||&&)[\s(!]{0,20}["'`]?\w{0,40}["'`]?\s{0,20}(?:=|[<>]|like\s{0,9}["'`])""",
    # 1 or 1=1
    r"""\b\d{1,20}\){0,9}\s{1,20}(?:or|and|xor|\|\||&&)[\s(!]{1,20}(?:\d{1,20}|["'`]\w{0,40}["'`])\s{0,20}[=<>]""",
    # calls that wait, read or run
    r"(?<![\w.])(?:sleep|pg_sleep|benchmark|extractvalue|updatexml|load_file|randomblob)\s?\(\s{0,9}['\"\w(]",
    r"\bwaitfor\s{1,20}delay\b|\bxp_cmdshell\b|\binto\s{1,20}(?:out|dump)file\b",
    r"\binformation_schema\s{0,9}\.|=\s{0,9}information_schema\b|\bfrom\s{1,9}information_schema\b|@@(?:version|datadir|hostname)\b",
    r"\bchar\s?\(\s?\d{1,3}\s?,\s?\d{1,3}\s?[,)]",
    r"\(\s{0,9}select\s{1,20}(?:\*|@@|null\b|\d|[\w.]{1,60}\s?\(|[\w.]{1,60}\s{1,9}from\b)",
    # a second statement
    r";\s{0,20}(?:drop|truncate|alter|create)\s{1,20}(?:table|database|view|user|procedure)\b",
    r";\s{0,20}(?:insert\s{1,20}into|delete\s{1,20}from|update\s{1,20}\w{1,64}\s{1,20}set|declare\s{1,20}@|exec\s{1,20}\w)",
    # admin'-- and 1' order by 3
    r"""["'`]\s{0,20}\){0,9}\s{0,20}(?:--(?:[\s+&-]|$)|;?\s{0,9}#|;\s{0,9}--)""",
    r"""["'`]\s{0,20}\){0,9}\s{0,20}(?:order|group)\s{1,20}by\s{1,20}[\d(]""",
    r"=\s{0,9}-?\d{1,20}\s{0,20}(?:--(?:[\s-]|$)|\s(?:order|group)\s{1,20}by\s{1,20}\d)",
)
_XSS = _any(
    r"<\s{0,9}/?\s{0,9}script\b",
    r"<\s{0,9}(?:iframe|object|embed|applet)[\s/>]",
    r"<[a-z][^<>]{0,200}[\s/\"'](?:on[a-z]{3,24}|srcdoc|formaction)\s{0,9}=",
    r"[\"'\s]on(?:error|load|click|focus|blur|toggle|mouse[a-z]{2,6}|key[a-z]{2,5}|pointer[a-z]{2,6}|animation[a-z]{3,9})\s{0,9}=",
    r"(?:^|[=\"'(])\s{0,9}(?:j\s?a\s?v\s?a|v\s?b)\s?s\s?c\s?r\s?i\s?p\s?t\s{0,9}:[^\s&]",
    r"\bdocument\.(?:cookie|location|domain)\b|\bstring\.fromcharcode\s?\(",
)
_TOOL = r"(?:wget|curl|tftp|nc|ncat|bash|sh|chmod|ping|nslookup|python3?|perl|busybox|powershell)"
_SHELL = _any(
    r"(?:[;|`\n]|&&|\$\()\s{0,9}" + _TOOL + r"\s{1,9}(?:-|/|\$|https?:|ftp:|[\w-]{1,60}\.)",
    r"[;|`(]\s{0,9}(?:cat|ls|rm|cd|tail|head)\s{1,9}(?:-[a-z]{1,5}\s{1,9})?[/$~]",
    r"(?:`|\$\()\s{0,9}(?:id|whoami|uname|hostname|sleep|echo|cat|ls|env|" + _TOOL + r")\b",
    r"[;|]\s{0,9}(?:whoami|uname(?:\s-a)?|id)\s{0,9}(?:[;|`)]|$)",
    r"/bin/(?:ba|da|z|k|c|a)?sh\b|\bcmd(?:\.exe)?\s{0,9}/c\b|\$\{ifs\}",
    r"\(\)\s{0,9}\{\s{0,9}:?\s{0,9};",
)
_CODE = _any(
    r"\b(?:php://(?:filter|input)|expect://|phar://|zip://|data:[a-z/]{0,30};base64,|data://)",
    r"\b(?:base64_decode|passthru|shell_exec|proc_open|call_user_func(?:_array)?|phpinfo|eval|assert)\s?\(\s{0,9}[$\"'\w)]",
    r"\binvokefunction\b|\ballow_url_include\s?[=+]|\bauto_prepend_file\b|<\?(?:php\b|=)",
    r"\$\{[^}]{0,60}(?:jndi|lower|upper|env|sys|::-)",
    r"[%$]\{\s{0,9}\(?[#@]|@java\.lang|\bgetruntime\s?\(|\bprocessbuilder\b|\bclass\.module\.classloader\b",
    r"\{\{\s{0,9}\d{1,9}\s{0,9}\*|\{\{\s{0,9}(?:config|self|request)\b[^}]{0,60}\}\}",
)
# Kind, pattern, and the characters of which it needs one at least.
_KINDS = (
    ("sql", _SQL, frozenset(b"\n'\"`();@*")),
    ("xss", _XSS, frozenset(b"'\"(<:")),
    ("shell", _SHELL, frozenset(b"\n`();|${")),
    ("code", _CODE, frozenset(b":(<{@\\")),
)

_COMMENT = re.compile(rb"/\*[^*!]{0,64}\*/")
_CONDITIONAL = re.compile(rb"/\*!?\d{0,6}|\*/")
_BLANK = b" \t\v\f\r"
_SYNTAX = b"\n'\"`();@*<:|${\\" + _BLANK
_NO_SYNTAX = bytes(set(range(256)) - set(_SYNTAX))
_SAME = bytes(range(256))
# Without those characters a text with blanks has to have one of these: what people type into a search box has none.
_WORDS = re.compile(
    rb"union|waitfor|(?:out|dump)file|schema|_include|_file|--|\d\){0,9}\s{1,20}(?:or|and|xor|order|group)\s|\s(?:on[a-z]{3,24}|=)"
)

# Files that somebody who climbs out of the tree is after.
_WANTED = re.compile(
    rb"(?:^|/)(?:etc/(?:passwd|shadow|hosts|group|issue|crontab)|proc/(?:self|version|\d{1,9})|win(?:dows|nt)?(?:/system)?\.ini"
    rb"|windows/(?:win|system)\.ini|windows/system32|boot\.ini|root/|var/log/|wp-config\.php|\.env|\.ssh|\.aws|\.git|web\.config"
    rb"|web-inf/|id_rsa|bin/(?:ba)?sh)"
)
_FEW = 2  # levels that a relative path in a parameter may climb: nobody knows where it starts


def injection(target: Target) -> str:
    """`sql`, `xss`, `shell` or `code` if the decoded request injects it, else an empty text."""
    query, path = target.query, target.path
    text = path if not query else path + b"?=" + query if b"=" not in query else path + b"?" + query
    syntax = text.translate(_SAME, _NO_SYNTAX)
    if not syntax:
        return ""
    words = syntax.translate(_SAME, _BLANK) != syntax and _WORDS.search(text) is not None
    for name, pattern, needed in _KINDS:
        if (words or not needed.isdisjoint(syntax)) and pattern.search(text):
            return name
    if b"/*" in text:  # un/**/ion, union/**/select
        for gap in (b" ", b""):
            if _SQL.search(_CONDITIONAL.sub(gap, _COMMENT.sub(gap, text))):
                return "sql"
    return ""


def traversal(target: Target) -> bool:
    """True if the path leaves the root by way of `..`, or a parameter climbs to where no page lies."""
    if target.escapes or (target.climbs and _WANTED.search(b"/".join(target.segments))):
        return True
    query = target.query
    if b".." not in query and b"file:" not in query:
        return False
    return any(_climbs(value) for value in _values(query.replace(b"\\", b"/")))


def _values(query: bytes) -> Iterable[bytes]:
    for parameter in query.split(b"&"):
        name, mark, value = parameter.partition(b"=")
        yield value if mark else name


def _climbs(value: bytes) -> bool:
    if value.startswith(b"file:"):
        return _WANTED.search(value) is not None
    if b".." not in value:
        return False
    if b"...." in value:  # `....//` becomes `../` where somebody strips `../`
        value = value.replace(b"....//", b"../").replace(b"..../", b"../")
    remain, above = resolve(value.partition(b"\0")[0].partition(b"?")[0])
    if b"://" in value or not above:  # a URL's .. stays on its host
        return bool(remain) and _WANTED.search(b"/".join(remain)) is not None
    return above > (0 if value.startswith(b"/") else _FEW) or _WANTED.search(b"/".join(remain)) is not None
