#!/usr/bin/env python3
"""Checks a site that make_site.py has made: check_site.py FOLDER.

Every link of it leads to a file and an anchor that are there, every address of its search too; no anchor comes twice on a
page; nothing private is listed; nothing is loaded from elsewhere. The exit code is 1 if anything is reported.
"""

import html.parser
import json
import pathlib
import posixpath
import re
import sys

_VOID = set("area base br col embed hr img input link meta source track wbr".split())


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads, self.faults, self._open = [], [], [], [], []
        self.feed(text)
        self.close()
        if self._open:
            self.faults.append("<%s> is not closed" % self._open[-1])

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if "id" in values:
            self.anchors.append(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in ("script", "img") and "src" in values:
            self.loads.append(values["src"])
        if tag == "link":
            self.loads.append(values["href"])
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        if not self._open or self._open[-1] != tag:
            self.faults.append("</%s> in line %d closes nothing" % (tag, self.getpos()[0]))
        else:
            self._open.pop()


def main():
    root = pathlib.Path(sys.argv[1])
    pages = {path.relative_to(root).as_posix(): Page(path.read_text()) for path in root.rglob("*.html")}
    faults, links, outside = [], 0, 0

    def lead(page, link):
        nonlocal links, outside
        if re.match(r"[a-z]+:", link):
            outside += 1
            return
        links += 1
        target, _, anchor = link.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
        if not (root / path).is_file():
            faults.append("%s: %s leads nowhere" % (page, link))
        elif anchor and anchor not in pages[path].anchors:
            faults.append("%s: %s: there is no such place" % (page, link))

    for name, page in sorted(pages.items()):
        faults += ["%s: %s" % (name, fault) for fault in page.faults]
        for anchor in {anchor for anchor in page.anchors if page.anchors.count(anchor) > 1}:
            faults.append("%s: #%s comes twice" % (name, anchor))
        for link in page.links:
            lead(name, link)
        for link in page.loads:
            if re.match(r"[a-z]+:|//", link):
                faults.append("%s loads %s" % (name, link))
            else:
                lead(name, link)

    entries = json.loads(re.search(r"^const entries = (.*);$", (root / "search.js").read_text(), re.MULTILINE).group(1))
    for name, kind, address, text, _ in entries:
        lead("index.html", address)
        if kind == "guide":
            continue
        if re.search(r"\bdetail\b|\bkernels\b", name) or re.match(r"(detail|kernels)::", text):
            faults.append("search: %s is private" % name)

    for fault in faults:
        print(fault)
    print("%d pages, %d links within, %d to elsewhere, %d entries of the search" % (len(pages), links, outside, len(entries)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
