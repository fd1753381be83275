#!/usr/bin/env python3
"""Makes the reference's pages from Doxygen's XML, the public headers and the guides.

    make_site.py --root=CHECKOUT --xml=DOXYGEN_XML --output=FOLDER

One page for each public header, with its declarations as the source writes them, in its order; one for each guide; an index
of all symbols; a search that needs no server. A comment covers the declarations under it up to the next blank line, that of
a struct its fields too. The exit code is 1 if a public symbol or an enumerator has no comment.
"""

import argparse
import html
import json
import pathlib
import posixpath
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree

import markdown

_FOLDERS = {  # in the order of reading: folder to title
    "": "Counts, weights, mixes",
    "loss": "Losses",
    "reduction": "Reductions",
    "plan": "Plans",
    "sampling": "Sampling",
    "resampling": "Synthetic rows and cleaning",
    "splits": "Splits",
    "metrics": "Metrics",
    "calibrate": "Calibration",
    "eigen": "Eigen",
    "libtorch": "LibTorch",
    "libtorch/metrics": "LibTorch: metrics",
    "libtorch/distributed": "LibTorch: several workers",
    "umbrella": "Umbrella headers",
}

_GREEK = dict(
    Delta="Δ", iota="ι", alpha="α", beta="β", gamma="γ", delta="δ", epsilon="ε", lambda_="λ", mu="μ", pi="π", sigma="σ", tau="τ"
)
_GREEK["lambda"] = _GREEK.pop("lambda_")

# What is public without a comment of its own: its meaning is that of the language, or stands with the concept.
_SAID_ELSEWHERE = re.compile(
    r"operator(==|!=|<|<=|\+|-|\+=|=|\*|\+\+|\(\))?$|~|"
    r"(positive|negative|buckets|bucket|mass|group_count|pretty_print|require|kIgnoresCounts|begin|end|iterator_category|value_type|difference_type|pointer|reference)$"
)


# ------------------------------------------------------------------------------------------------- formulas


def _powers(text):
    """Subscripts and powers of text that is HTML already."""
    text = re.sub(r"\^\(((?:[^()]|\([^()]*\))*)\)", r"<sup>\1</sup>", text)
    text = re.sub(r"\^(-?(?:<i>\w</i>|\w+(?:\.\w+)*)(?:<sub>\w+</sub>)?)", r"<sup>\1</sup>", text)
    return text.replace("<sup>-", "<sup>−")


def prose(text, names=True):
    """A piece of a comment's text as HTML, with the formulas and the names of fields in it."""
    text = html.escape(text, quote=False)
    if names:
        text = re.sub(r"(?<![\w:/.-])([a-z]{3,}(?:_[a-z]{3,})+)(?![\w:/(])", r"<code>\1</code>", text)
    # x_i, x_il, x_0, prior_c; but not names of types and arguments.
    text = re.sub(r"(?<![\w.])([A-Za-z]'?)_([a-z]{1,2}|\d)(?![\w(.]\w)", r"<i>\1</i><sub>\2</sub>", text)
    text = re.sub(
        r"(?<![\w.:])(?!(?:size|ptrdiff|runs|scores|predictions|log)_)([A-Za-z]{2,})_([a-z]|i[jl])\b(?![(.]\w)",
        lambda found: "<i>%s</i><sub>%s</sub>" % (_GREEK.get(found.group(1), found.group(1)), found.group(2)),
        text,
    )
    text = text.replace("<i>sum</i><sub>", "∑<sub>").replace("<i>prod</i><sub>", "∏<sub>")
    text = _powers(text)
    text = re.sub(r"(?<= )&gt;=(?= )", "≥", text)
    text = re.sub(r"(?<= )&lt;=(?= )", "≤", text)
    return re.sub(r"(?<= )-&gt;(?= )", "→", text)


def _subscript(found):
    """x_i has a subscript; class_weights is a name."""
    base, index = found.groups()
    is_name = len(base) > 2 and len(index) > 2 and base not in _GREEK
    return found.group() if is_name else "%s<sub>%s</sub>" % (base, index)


def formula(text):
    """A formula that stands by itself."""

    def line(source):
        source = html.escape(source.strip(), quote=False)
        source = re.sub(r"\bsum_(\w+)", r"∑<sub>\1</sub> ", source)
        source = re.sub(r"\b([A-Za-z]+'?)_(\w+)", _subscript, source)
        source = re.sub(r"\b([A-Za-z])([+-])(?=[ (])", r"\1<sub>\2</sub>", source).replace("<sub>-", "<sub>−")
        source = _powers(source)
        source = re.sub(r"\b(%s)\b" % "|".join(_GREEK), lambda found: _GREEK[found.group(1)], source)
        source = re.sub(r"(?<![\w&<>/])([A-Za-z])(?![\w;>])", r"<i>\1</i>", source)
        source = source.replace(" - ", " − ").replace("(-", "(−").replace("&gt;=", "≥").replace("&lt;=", "≤").replace("-&gt;", "→")
        return re.sub(r"(?<=[(=] )-(?=\()|^-(?=\()", "−", re.sub(r" {3,}", "&emsp;&emsp;", source))

    return '<div class="formula">%s</div>' % "<br>".join(line(source) for source in text.strip("\n").split("\n"))


def _is_formula(text):
    is_code = re.search(r"[;{}$\"%]|::|->|//|--|\)\.|[A-Za-z]<|\w\.(sh|cc|h|md|py|txt)\b|bazel", text)
    return not is_code and re.search(r" [=/] |\^|\w_\w", text) is not None


# ------------------------------------------------------------------------------------------------- code


_TOKENS = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+')"
    r"|(?P<number>\b\d[\w.]*\b)|(?P<word>\b[A-Za-z_]\w*\b)|(?P<directive>^[ \t]*#[^\n]*)",
    re.DOTALL | re.MULTILINE,
)
_KEYWORDS = set(
    "auto bool break case class concept const constexpr continue decltype default delete double else enum explicit "
    "false float for friend if inline int namespace noexcept nullopt nullptr operator private public requires return "
    "sizeof static struct switch template this true typename unsigned using virtual void while".split()
)


def code(text, links=None):
    """C++ as HTML; links maps names to addresses."""
    out, position = [], 0
    for found in _TOKENS.finditer(text):
        out.append(html.escape(text[position : found.start()], quote=False))
        token, kind = html.escape(found.group(), quote=False), found.lastgroup
        if kind == "word" and token in _KEYWORDS:
            token = '<span class="k">%s</span>' % token
        elif kind == "word" and links and token in links:
            token = '<a href="%s">%s</a>' % (links[token], token)
        elif kind in ("comment", "string", "number", "directive"):
            token = '<span class="%s">%s</span>' % (kind[0], token)
        out.append(token)
        position = found.end()
    return "".join(out) + html.escape(text[position:], quote=False)


# ------------------------------------------------------------------------------------------------- headers


class Header:
    """A public header's source."""

    def __init__(self, root, path):
        self.path = path  # such as loss/softmax.h
        self.lines = (root / "include" / "equipoise" / path).read_text().split("\n")
        self.page = "reference/%s.html" % path[: -len(".h")]
        is_umbrella = not any(re.match(r"namespace |struct |#define (?!\w+_H_$)", line) for line in self.lines)
        self.folder = "umbrella" if is_umbrella else posixpath.dirname(path)
        self.entries = []

    def introduction(self):
        """The comment at the top."""
        words = []
        for line in self.lines:
            if not line.startswith("//"):
                break
            words.append(line[2:].strip())
        return " ".join(words)

    def start(self, line):
        """The first line, from 0, of the declaration that has its name on this one, from 1."""
        first = line - 1
        while first > 0:
            before = self.lines[first - 1].strip()
            if not before or before.startswith(("//", "#")) or re.search(r"[;{}]$|(public|private):$|///<", before):
                break
            first -= 1
        return first

    def declaration(self, line):
        """The text of a declaration up to its body or semicolon."""
        first = self.start(line)
        text = "\n".join(self.lines[first : first + 40])
        depth, position = 0, 0
        while position < len(text):
            character = text[position]
            if text.startswith("//", position):
                position = text.find("\n", position)
                continue
            if character in "([":
                depth += 1
            elif character in ")]":
                depth -= 1
            elif character == "{" and depth == 0:
                before = text[:position].rstrip()
                if re.search(r"\brequires(\s*\([^()]*\))?$", before):
                    position = self._closing(text, position)
                elif re.search(r"=$|\w$", before) and "(" not in before and "struct" not in before and "class" not in before:
                    position = self._closing(text, position)  # the value of a variable
                else:
                    break
            elif character == "{":
                position = self._closing(text, position)
            elif character == ";" and depth == 0:
                break
            elif character == ":" and depth == 0 and text[position - 1] != ":" and text[position + 1] != ":":
                if text[:position].rstrip().endswith((")", "noexcept")):
                    break
            position += 1
        return self._tidy(text[:position])

    @staticmethod
    def _closing(text, position):
        depth = 0
        while position < len(text):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            if depth == 0:
                return position
            position += 1
        return position

    @staticmethod
    def _tidy(text):
        text = re.sub(r"\b(EQUIPOISE_INLINE|EQUIPOISE_HOST_INLINE|inline|friend) ", "", text)
        text = text.replace("EQUIPOISE_FUNCTION_OBJECT ", "const ")
        text = re.sub(r"\s*: public detail::[\s\S]*$", "", text)
        lines = [line.rstrip() for line in text.split("\n") if not line.strip().startswith("//")]
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return "\n".join(line[margin:] for line in lines).strip()

    def whole_concept(self, line):
        first = self.start(line)
        last = first
        while last < len(self.lines) and not self.lines[last].rstrip().endswith(";") or self._open(first, last):
            last += 1
        return self._tidy("\n".join(self.lines[first : last + 1]))

    def _open(self, first, last):
        text = "\n".join(self.lines[first : last + 1])
        return text.count("{") != text.count("}")

    def adjoin(self, above, below):
        """Whether no blank line stands between two lines, from 1."""
        return all(line.strip() for line in self.lines[above - 1 : below])


# ------------------------------------------------------------------------------------------------- symbols


class Symbol:
    """What one comment covers: a declaration, or several."""

    def __init__(self, node, kind, name, qualified, line):
        name = re.sub(r"(?<=<) | (?=>)", "", name)  # Doxygen writes Name< double >
        self.node, self.kind, self.name, self.qualified, self.line = node, kind, name, qualified, line
        self.end = line
        self.others = []  # declared under the same comment
        self.fields, self.members = [], []
        self.anchor = None

    def has_comment(self):
        return _comment(self.node) != ""


def _comment(node):
    """The text of a comment in one line; empty where there is none."""
    parts = [node.find(tag) for tag in ("briefdescription", "detaileddescription")]
    return " ".join(" ".join("".join(part.itertext()) for part in parts if part is not None).split())


def _joined(scope, text):
    return ": ".join(part for part in (scope, text) if part)


def _location(node):
    place = node.find("location")
    return place.get("file"), int(place.get("line"))


_KINDS = {"function": "function", "friend": "function", "variable": "constant", "typedef": "type", "enum": "enum"}


class Site:
    def __init__(self, root, xml, output):
        self.root, self.xml, self.output = root, xml, output
        self.headers, self.urls, self.symbols, self.missing, self.search = {}, {}, [], [], []
        self.current = None  # the address of the symbol that is being described
        for path in sorted((root / "include" / "equipoise").rglob("*.h")):
            relative = path.relative_to(root / "include" / "equipoise").as_posix()
            if "detail/" not in relative and "kernels/" not in relative:
                self.headers[relative] = Header(root, relative)

    # --- reading

    def read(self):
        compounds = {}
        for file in sorted(self.xml.glob("*.xml")):
            for node in ElementTree.parse(file).getroot().findall("compounddef"):
                compounds[node.get("id")] = node
        nested = {
            inner.get("refid")
            for node in compounds.values()
            if node.get("kind") in ("struct", "class")
            for inner in node.findall("innerclass")
        }
        for identifier, node in compounds.items():
            kind, name = node.get("kind"), node.findtext("compoundname")
            if kind == "namespace" and name.split("::")[0] == "equipoise":
                self._read_members(node, None)
            elif kind == "file":
                self._read_members(node, None, only=("define",))
            elif kind in ("struct", "class", "concept") and identifier not in nested and name.startswith("equipoise::"):
                self._read_compound(node, compounds, None)
        for header in self.headers.values():
            header.entries.sort(key=lambda symbol: symbol.line)
            header.entries = self._merge(header, header.entries)
            taken = set()
            for symbol in header.entries:
                self._name(header, symbol, symbol.name, taken)

    def _header(self, node):
        file, line = _location(node)
        return self.headers.get(file[len("equipoise/") :] if file.startswith("equipoise/") else ""), line

    def _read_compound(self, node, compounds, owner):
        header, line = self._header(node)
        if header is None or node.get("prot", "public") != "public":
            return
        qualified = node.findtext("compoundname")
        name = re.sub(r"^.*::(?=[^<]*(<|$))", "", qualified.split("<")[0]) + ("<" + qualified.split("<", 1)[1] if "<" in qualified else "")
        symbol = Symbol(node, node.get("kind"), name, qualified, line)
        symbol.end = int(node.find("location").get("bodyend") or line)
        (owner.members if owner else header.entries).append(symbol)
        self._read_members(node, symbol)
        for inner in node.findall("innerclass"):
            if inner.get("prot") == "public" and inner.get("refid") in compounds:
                self._read_compound(compounds[inner.get("refid")], compounds, symbol)
        symbol.members.sort(key=lambda member: member.line)
        symbol.fields.sort(key=lambda member: member.line)
        symbol.members = self._merge(header, symbol.members)

    def _read_members(self, node, owner, only=None):
        for member in node.iter("memberdef"):
            kind = member.get("kind")
            if member.get("prot") != "public" or (only and kind not in only):
                continue
            header, line = self._header(member)
            if header is None or (kind == "friend" and "class" in member.findtext("type")):
                continue
            name = member.findtext("name")
            if name.endswith("_H_") or (kind == "friend" and name.startswith(("struct ", "class "))):
                continue
            if re.search(r"= (default|delete)$", member.findtext("argsstring") or ""):
                continue
            if name.startswith("~") or header.declaration(line) == "":
                continue
            if re.search(r"-> ?%s ?<" % re.escape(name), member.findtext("argsstring") or ""):
                continue  # a deduction guide
            symbol = Symbol(member, _KINDS.get(kind, "macro"), name, member.findtext("qualifiedname") or name, line)
            symbol.end = max(line, int(member.find("location").get("bodyend") or 0))
            if owner is not None and kind == "variable":
                owner.fields.append(symbol)
            else:
                (owner.members if owner else header.entries).append(symbol)

    def _merge(self, header, symbols):
        """Puts those without a comment under the one above that covers them."""
        merged = []
        for symbol in symbols:
            above = merged[-1] if merged else None
            if (
                not symbol.has_comment()
                and not _SAID_ELSEWHERE.match(symbol.name)
                and above is not None
                and symbol.kind == above.kind
                and symbol.kind in ("function", "type", "constant", "macro")
                and header.adjoin((above.others[-1] if above.others else above).end, header.start(symbol.line) + 1)
            ):
                above.others.append(symbol)
            else:
                merged.append(symbol)
        return merged

    def _name(self, header, symbol, name, taken, owner=None):
        anchor = re.sub(r"[^\w.~-]+", "-", name.replace("operator", "operator-")).strip("-") or "operator"
        number, unique = 2, anchor
        while unique in taken:
            unique, number = "%s-%d" % (anchor, number), number + 1
        taken.add(unique)
        symbol.anchor = unique
        url = "%s#%s" % (header.page, unique)
        for one in [symbol] + symbol.others:
            self.urls[one.node.get("id")] = url
        self.symbols.append((symbol, header, url))
        if not symbol.has_comment():
            if owner is None or not _SAID_ELSEWHERE.match(symbol.name):
                if not (owner is not None and symbol.name == owner.name.split("<")[0]):
                    self._miss(header, symbol.line, symbol.qualified)
        for value in symbol.node.findall("enumvalue"):
            if not _comment(value):
                self._miss(header, symbol.line, "%s::%s" % (symbol.qualified, value.findtext("name")))
        for field in symbol.fields:
            self.urls[field.node.get("id")] = url
        for member in symbol.members:
            self._name(header, member, "%s.%s" % (unique, member.name), taken, owner=symbol)

    def _miss(self, header, line, qualified):
        self.missing.append("include/equipoise/%s:%d: %s" % (header.path, line, qualified))

    # --- descriptions

    def _inline(self, node, page):
        out = [prose(node.text or "")]
        for child in node:
            out.append(self._block(child, page))
            out.append(prose(child.tail or ""))
        return "".join(out)

    def _block(self, node, page):
        tag = node.tag
        if tag == "para":
            inside = self._inline(node, page).strip()
            return "<p>%s</p>" % inside if inside else ""
        if tag == "computeroutput":
            return "<code>%s</code>" % self._inline_code(node, page)
        if tag == "ref":
            url = self.urls.get(node.get("refid"))
            text = html.escape("".join(node.itertext()), quote=False)
            if url == self.current:
                url = None
            return '<a href="%s">%s</a>' % (self._to(page, url), text) if url else text
        if tag in ("emphasis", "bold"):
            return "<em>%s</em>" % self._inline(node, page)
        if tag in ("verbatim", "preformatted", "programlisting"):
            text = self._listing(node) if tag == "programlisting" else "".join(node.itertext())
            if _is_formula(text):
                return formula(text)
            return "<pre>%s</pre>" % code(_dedent(text))
        if tag in ("itemizedlist", "orderedlist"):
            items = "".join("<li>%s</li>" % self._inline(item, page) for item in node)
            return ("<ul>%s</ul>" if tag == "itemizedlist" else "<ol>%s</ol>") % items
        if tag == "parameterlist":
            return self._throws(node, page)
        if tag == "simplesect":
            return '<div class="note">%s</div>' % self._inline(node, page)
        if tag == "table":
            rows = []
            for row in node.findall("row"):
                cells = "".join(
                    "<%s>%s</%s>" % (mark, self._inline(cell, page), mark)
                    for cell in row
                    for mark in ["th" if cell.get("thead") == "yes" else "td"]
                )
                rows.append("<tr>%s</tr>" % cells)
            return '<div class="wide"><table>%s</table></div>' % "".join(rows)
        if tag == "ulink":
            return '<a href="%s">%s</a>' % (html.escape(node.get("url")), self._inline(node, page))
        if tag in ("superscript", "subscript"):
            mark = tag[:3]
            return "<%s>%s</%s>" % (mark, self._inline(node, page), mark)
        if tag in ("linebreak", "sp"):
            return " "
        named = {"ndash": "–", "mdash": "—", "nonbreakablespace": " "}
        return named.get(tag, "") + self._inline(node, page)

    def _inline_code(self, node, page):
        out = [html.escape(node.text or "", quote=False)]
        for child in node:
            out.append(self._block(child, page) if child.tag == "ref" else html.escape("".join(child.itertext())))
            out.append(html.escape(child.tail or "", quote=False))
        return "".join(out)

    @staticmethod
    def _listing(node):
        lines = []
        for line in node.findall("codeline"):
            text = ""
            for part in line.iter():
                if part.tag == "sp":
                    text += " "
                text += part.text or ""
                if part.tag != "codeline":
                    text += part.tail or ""
            lines.append(text)
        return "\n".join(lines)

    def _throws(self, node, page):
        rows = []
        for item in node.findall("parameteritem"):
            names = ", ".join(
                "<code>%s</code>" % html.escape("".join(name.itertext())) for name in item.iter("parametername")
            )
            text = "".join(self._block(part, page) for part in item.find("parameterdescription"))
            text = re.sub(r"^<p>|</p>$", "", text)
            rows.append("<li>%s %s</li>" % (names, text))
        word = {"exception": "Throws", "param": "Parameters", "templateparam": "Template parameters"}
        return '<div class="throws"><span>%s</span><ul>%s</ul></div>' % (
            word.get(node.get("kind"), node.get("kind")),
            "".join(rows),
        )

    def description(self, symbol, page):
        out = []
        for tag in ("briefdescription", "detaileddescription"):
            part = symbol.node.find(tag)
            if part is not None:
                out.append("".join(self._block(child, page) for child in part))
        # Doxygen puts lists of exceptions inside paragraphs.
        text = "".join(out)
        text = re.sub(r"<p>((?:(?!</p>).)*?)(<div|<pre|<ul|<ol)", r"<p>\1</p>\2", text, flags=re.DOTALL)
        text = re.sub(r"(</div>|</pre>|</ul>|</ol>)((?:(?!<p>|<div|<pre|<ul|<ol|<li|<table|</li|</div|</ul)[^\0])+?)</p>", r"\1<p>\2</p>", text)
        text = re.sub(r"(</div>|</pre>|</ul>)\s*</p>", r"\1", text)
        return re.sub(r"<p>[\s.,]*</p>", "", text)

    # --- pages

    @staticmethod
    def _to(page, url):
        if url is None:
            return None
        target, _, anchor = url.partition("#")
        relative = posixpath.relpath(target, posixpath.dirname(page) or ".") if target != page else ""
        return relative + ("#" + anchor if anchor else "")

    def links(self, page):
        """Names that stand for one thing alone to where it is."""
        found = {}
        for symbol, _, url in self.symbols:
            if symbol.kind in ("struct", "class", "concept", "enum") or (symbol.kind == "type"):
                found.setdefault(symbol.name.split("<")[0], set()).add(url)
        return {name: self._to(page, min(urls)) for name, urls in found.items() if len(urls) == 1}

    def header_page(self, header):
        links = self.links(header.page)
        introduction = header.introduction()
        out = [
            '<p class="where"><a href="%s">Reference</a> / %s</p>'
            % (self._to(header.page, "reference/index.html"), _FOLDERS[header.folder]),
            "<h1>%s</h1>" % html.escape(posixpath.basename(header.path)),
            '<p class="lead">%s</p>' % prose(introduction),
            '<pre class="include"><span class="d">#include</span> <span class="s">"equipoise/%s"</span></pre>' % header.path,
        ]
        if header.entries:
            out.append('<ul class="contents">')
            for symbol in header.entries:
                out.append(
                    '<li><a href="#%s"><code>%s</code></a> <span>%s</span></li>'
                    % (symbol.anchor, html.escape(symbol.name), self.summary(symbol))
                )
            out.append("</ul>")
        for symbol in header.entries:
            out.append(self._entry(header, symbol, links, 2))
        return self.page(header.page, header.path, "\n".join(out))

    def _declarations(self, header, symbol, links):
        texts = []
        for one in [symbol] + symbol.others:
            if one.kind == "concept":
                texts.append(header.whole_concept(one.line))
            elif one.kind == "macro":
                texts.append("#define " + one.name + self._macro_parameters(one))
            else:
                text = header.declaration(one.line)
                texts.append(text if text.endswith(";") or one.kind in ("struct", "class", "enum") else text + ";")
        own = dict(links)
        own.pop(symbol.name.split("<")[0], None)
        return '<pre class="declaration">%s</pre>' % code("\n".join(texts), own)

    @staticmethod
    def _macro_parameters(symbol):
        names = [parameter.findtext("defname") for parameter in symbol.node.findall("param")]
        return "(%s)" % ", ".join(name or "" for name in names) if names else ""

    def _entry(self, header, symbol, links, level):
        self.current = "%s#%s" % (header.page, symbol.anchor)
        names = [symbol.name] + [one.name for one in symbol.others if one.name != symbol.name]
        title = ", ".join(dict.fromkeys(names))
        out = [
            '<section class="entry level%d" id="%s">' % (level, symbol.anchor),
            '<h%d><a href="#%s">%s</a> <span class="kind">%s</span></h%d>'
            % (level, symbol.anchor, html.escape(title), symbol.kind, level),
            self._declarations(header, symbol, links),
            self.description(symbol, header.page),
        ]
        if symbol.fields:
            out.append('<dl class="fields">')
            for field in symbol.fields:
                text = re.sub(r"\s*///<.*|\{\}$", "", header.declaration(field.line))
                out.append("<dt><code>%s</code></dt>" % code(text, links))
                if field.has_comment():
                    out.append("<dd>%s</dd>" % self.description(field, header.page))
            out.append("</dl>")
        values = symbol.node.findall("enumvalue")
        if values:
            out.append('<dl class="fields">')
            for value in values:
                parts = [value.find("briefdescription"), value.find("detaileddescription")]
                text = "".join(self._block(child, header.page) for part in parts for child in part)
                out.append("<dt><code>%s</code></dt><dd>%s</dd>" % (value.findtext("name"), text))
            out.append("</dl>")
        plain = [member for member in symbol.members if not member.has_comment() and not member.members]
        if plain:
            texts = [header.declaration(one.line).rstrip(";") + ";" for member in plain for one in [member] + member.others]
            anchors = "".join('<a id="%s"></a>' % member.anchor for member in plain)
            out.append('%s<pre class="declaration">%s</pre>' % (anchors, code("\n".join(texts), links)))
        for member in symbol.members:
            if member not in plain:
                out.append(self._entry(header, member, links, level + 1))
        out.append("</section>")
        return "\n".join(out)

    def summary(self, symbol):
        return prose(self.plain_summary(symbol))

    def plain_summary(self, symbol):
        """The first sentence of a comment, or what there is room for."""
        text = ""
        for tag in ("briefdescription", "detaileddescription"):
            part = symbol.node.find(tag)
            first = part.find("para") if part is not None else None
            if first is not None and "".join(first.itertext()).strip():
                text = "".join(first.itertext())
                if first.find("parameterlist") is not None:
                    text = first.text or ""
                break
        text = " ".join(text.split())
        found = re.match(r"(.{15,}?(?<! al)[.:;])(?= |$)", text)
        text = found.group(1).rstrip(".:;") if found else text.rstrip(",")
        return text if len(text) < 160 else text[:150].rsplit(" ", 1)[0] + " ..."

    def page(self, path, title, body):
        up = posixpath.relpath(".", posixpath.dirname(path) or ".")
        up = "" if up == "." else up + "/"
        return _PAGE.format(
            title=html.escape(title), up=up, sidebar=self._sidebar(path), body=body, version=self.version()
        )

    def version(self):
        text = (self.root / "include/equipoise/version.h").read_text()
        return re.search(r'VERSION_STRING "(.+)"', text).group(1)

    def _sidebar(self, page):
        def item(url, text):
            here = ' class="here"' if url == page else ""
            return '<li><a%s href="%s">%s</a></li>' % (here, self._to(page, url) or posixpath.basename(page), text)

        out = ["<h2>Guides</h2><ul>", item("index.html", "Overview")]
        out += [item(url, html.escape(title)) for url, title in self.guides]
        out.append("</ul><h2>Reference</h2><ul>")
        out.append(item("reference/index.html", "By subject"))
        out.append(item("symbols.html", "All symbols"))
        out.append("</ul>")
        for folder, title in _FOLDERS.items():
            headers = [header for header in self.headers.values() if header.folder == folder]
            inside = any(header.page == page for header in headers)
            out.append("<details%s><summary>%s</summary><ul>" % (" open" if inside else "", title))
            names = {header: header.path if folder == "umbrella" else posixpath.basename(header.path) for header in headers}
            out += [item(header.page, html.escape(names[header])) for header in headers]
            out.append("</ul></details>")
        return "\n".join(out)

    # --- guides

    def find_guides(self):
        order = re.findall(r"\]\(([\w/]+\.md)\)", (self.root / "docs/README.md").read_text())
        self.guides = []
        for name in order:
            title = re.search(r"^# (.*)", (self.root / "docs" / name).read_text(), re.MULTILINE).group(1)
            self.guides.append(("guides/%s.html" % name[: -len(".md")], title.replace("`", "")))
        self.sources = {"README.md": "index.html", "docs/README.md": "guides/index.html"}
        for path in sorted((self.root / "docs").rglob("*.md")):
            relative = path.relative_to(self.root).as_posix()
            self.sources.setdefault(relative, "guides/" + relative[len("docs/") : -len(".md")] + ".html")
        for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"):
            self.sources[name + ".md"] = "guides/%s.html" % name.lower()

    def guide_page(self, source, page):
        text = (self.root / source).read_text()
        body = markdown.markdown(
            text,
            extensions=["fenced_code", "tables", "toc", "sane_lists"],
            extension_configs={"toc": {"slugify": _slug}},
        )
        body = re.sub(
            r'(href|src)="([^"]+)"',
            lambda found: '%s="%s"' % (found.group(1), self._resolve(found.group(2), source, page)),
            body,
        )
        body = re.sub(r'<pre><code class="language-([\w+]+)">(.*?)</code></pre>', self._fenced(page), body, flags=re.DOTALL)
        body = re.sub(
            r"<pre><code>(.*?)</code></pre>",
            lambda found: formula(html.unescape(found.group(1))) if _is_formula(found.group(1)) else found.group(),
            body,
            flags=re.DOTALL,
        )
        body = _prose_of_page(body)
        body = re.sub(r"<code>([^<]+)</code>", lambda found: self._named(found, page), body)
        body = re.sub(r"(<table>.*?</table>)", r'<div class="wide">\1</div>', body, flags=re.DOTALL)
        title = re.search(r"^# (.*)", text, re.MULTILINE).group(1).replace("`", "")
        if page.startswith("guides/"):
            parts = re.split(r'<h[23] id="([^"]+)">(.*?)</h[23]>', body)
            self.search.append([title, "guide", page, "", _words(_plain(parts[0]))])
            for anchor, heading, text in zip(parts[1::3], parts[2::3], parts[3::3]):
                self.search.append([_plain(heading), "guide", "%s#%s" % (page, anchor), title, _words(_plain(text))])
        return self.page(page, title, body)

    def _fenced(self, page):
        links = self.links(page)

        def replace(found):
            text = html.unescape(found.group(2))
            return "<pre>%s</pre>" % (code(text, links) if found.group(1) in ("cpp", "c++") else html.escape(text, quote=False))

        return replace

    def _named(self, found, page):
        """A name in a guide links to what has it."""
        name = re.sub(r"\(\)$", "", html.unescape(found.group(1)))
        url = self.by_name.get(name) or self.by_name.get(name.split("::")[-1] if "::" in name else name)
        path = name[len("equipoise/") :] if name.startswith("equipoise/") else name
        if url is None and path in self.headers:
            url = self.headers[path].page
        return '<a href="%s">%s</a>' % (self._to(page, url), found.group()) if url else found.group()

    def _resolve(self, link, source, page):
        if re.match(r"[a-z]+:", link) or link.startswith("#"):
            return link
        target, _, anchor = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if target in self.sources:
            return self._to(page, self.sources[target]) + ("#" + anchor if anchor else "")
        if target.startswith("include/equipoise/") and target[len("include/equipoise/") :] in self.headers:
            return self._to(page, self.headers[target[len("include/equipoise/") :]].page)
        path = self.root / target
        if path.is_dir():
            return self._to(page, "guides/index.html")
        copied = self.output / "files" / target
        if not path.exists():
            return self._to(page, "files/" + target)  # dead: the check reports it
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
        return self._to(page, "files/" + target)

    # --- writing

    def write(self, path, text):
        file = self.output / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def make(self):
        self.read()
        self.find_guides()
        self.by_name = {}
        for symbol, _, url in self.symbols:
            for one in [symbol] + symbol.others:
                self.by_name.setdefault(one.name, url)
        for header in self.headers.values():
            self.write(header.page, self.header_page(header))
        for source, page in self.sources.items():
            self.write(page, self.guide_page(source, page))
        self.write("reference/index.html", self._overview())
        self.write("symbols.html", self._symbols())
        for symbol, header, url in self.symbols:
            for one in [symbol] + symbol.others:
                where = _scope(one.qualified)
                # A constructor is found with its class, what a concept wants with the concept.
                if one.name == where.rpartition("::")[2] or (where and _SAID_ELSEWHERE.match(one.name)):
                    continue
                text = _joined(where, self.plain_summary(symbol))
                self.search.append([one.name, symbol.kind, url, text, _words(self._whole_text(symbol))])
            where = symbol.qualified.replace("equipoise::", "", 1)
            for field in symbol.fields:
                if not _SAID_ELSEWHERE.match(field.name):
                    self.search.append([field.name, "field", url, _joined(where, self.plain_summary(field)), ""])
            for value in symbol.node.findall("enumvalue"):
                text = _joined(where, _comment(value))
                self.search.append([value.findtext("name"), "value", url, text, ""])
        for header in self.headers.values():
            text = header.introduction()
            self.search.append([header.path, "header", header.page, text[:100], _words(text)])
        here = pathlib.Path(__file__).resolve().parent
        self.write("search.js", "const entries = %s;\n%s" % (json.dumps(self.search), (here / "search.js").read_text()))
        shutil.copyfile(here / "style.css", self.output / "style.css")

    @staticmethod
    def _whole_text(symbol):
        """All that the comments of a symbol, its fields and values say."""
        nodes = [symbol.node] + [field.node for field in symbol.fields] + symbol.node.findall("enumvalue")
        return " ".join([field.name for field in symbol.fields] + [_comment(node) for node in nodes])

    def _overview(self):
        page = "reference/index.html"
        out = ["<h1>Reference</h1>", '<p class="lead">Every public header by subject.</p>']
        for folder, title in _FOLDERS.items():
            out.append('<h2 id="%s">%s</h2><dl class="overview">' % (folder.replace("/", "-") or "ground", title))
            for path, header in self.headers.items():
                if header.folder != folder:
                    continue
                listed = ", ".join(
                    '<a href="%s"><code>%s</code></a>' % (self._to(page, header.page + "#" + symbol.anchor), html.escape(symbol.name))
                    for symbol in _first_of_each_name(header.entries)
                )
                out.append(
                    '<dt><a href="%s">%s</a></dt><dd>%s<p class="names">%s</p></dd>'
                    % (self._to(page, header.page), html.escape(path), prose(_first_sentences(header.introduction())), listed)
                )
            out.append("</dl>")
        return self.page(page, "Reference", "\n".join(out))

    def _symbols(self):
        page = "symbols.html"
        out = ["<h1>All symbols</h1>"]
        letter = None
        rows = []
        for symbol, header, url in self.symbols:
            for one in [symbol] + symbol.others:
                if _scope(one.qualified).rpartition("::")[2] == one.name or _SAID_ELSEWHERE.match(one.name):
                    continue
                rows.append((one.name.lower(), one.name, symbol.kind, header.path, url, one.qualified))
        for _, name, kind, path, url, qualified in sorted(set(rows)):
            first = name[0].upper() if name[0].isalpha() else "~"
            if first != letter:
                out.append(("</ul>" if letter else "") + '<h2 id="letter-%s">%s</h2><ul class="symbols">' % (first, first))
                letter = first
            scope = _scope(qualified)
            out.append(
                '<li><a href="%s"><code>%s</code></a> <span class="kind">%s%s</span> <span class="path">%s</span></li>'
                % (self._to(page, url), html.escape(name), kind, " in " + html.escape(scope) if scope else "", path)
            )
        return self.page(page, "All symbols", "\n".join(out) + "</ul>")


def _scope(qualified):
    """What a name stands in, without the library's namespace and arguments of templates."""
    while "<" in qualified:
        shorter = re.sub(r" ?<[^<>]*>", "", qualified)
        if shorter == qualified:
            break  # operator<
        qualified = shorter
    return qualified.replace("equipoise::", "", 1).rpartition("::")[0]


def _first_sentences(text):
    """As many as there is room for, but one at least."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", text)
    while len(sentences) > 1 and len(" ".join(sentences)) > 240:
        sentences.pop()
    return " ".join(sentences)


def _plain(text):
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def _words(text):
    """What a search looks for besides names: each word once."""
    return " ".join(dict.fromkeys(re.findall(r"[a-z_][a-z0-9_-]+", text.lower())))


def _prose_of_page(body):
    """The formulas in the text of a page, but for code."""
    out, inside = [], 0
    for piece in re.split(r"(<[^>]+>)", body):
        if re.match(r"</?(pre|code)\b|<div class=\"formula|</div>", piece):
            inside = 0 if piece.startswith("</") else 1
        out.append(piece if inside or piece.startswith("<") else prose(html.unescape(piece), names=False))
    return "".join(out)


def _first_of_each_name(symbols):
    found = {}
    for symbol in symbols:
        found.setdefault(symbol.name, symbol)
    return found.values()


def _dedent(text):
    lines = text.strip("\n").split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:].rstrip() for line in lines)


def _slug(text, separator):
    """Anchors as code hosts make them of headings."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", separator)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - Equipoise</title>
<link rel="stylesheet" href="{up}style.css">
<script src="{up}search.js" defer></script>
</head>
<body data-up="{up}">
<header>
<a class="brand" href="{up}index.html">Equipoise <span>{version}</span></a>
<div class="search"><input type="search" id="search" placeholder="Search ( / )" autocomplete="off" aria-label="Search">
<ol id="results" hidden></ol></div>
<button id="menu" aria-label="Contents" aria-expanded="false">Contents</button>
</header>
<div class="columns">
<nav id="sidebar">
{sidebar}
</nav>
<main>
{body}
</main>
</div>
</body>
</html>
"""


def main():
    parser = argparse.ArgumentParser()
    for name in ("root", "xml", "output"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    site = Site(arguments.root, arguments.xml, arguments.output)
    site.make()
    for line in sorted(site.missing):
        print("%s has no comment" % line)
    print("%d symbols of %d headers, %d guides" % (len(site.symbols), len(site.headers), len(site.guides)))
    return 1 if site.missing else 0


if __name__ == "__main__":
    sys.exit(main())
