"""Runs page_test.c and reads what it wrote: the SVG as XML, the page as a browser would, with nothing
fetched and nothing from outside left unescaped.

usage: page_test.py PROGRAM"""
import base64
import html.parser
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

VOID = {"meta", "img", "link", "br"}


class Page(html.parser.HTMLParser):
    """Checks that tags match and collects what there is."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.images, self.text, self.ids = [], {}, [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attributes:
            assert name not in ("onclick", "onload", "onerror"), (tag, name)
            if name in ("src", "href"):
                assert value.startswith(("data:", "#")), f"{tag} fetches {value[:60]}"
            if name == "id":
                assert value not in self.ids, f"id {value} twice"
                self.ids.append(value)
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def read_page(text):
    page = Page()
    page.feed(text)
    page.close()
    assert not page.open, f"left open: {page.open}"
    assert "@import" not in text and "url(" not in text
    return page


def numbers_are_finite(svg):
    for element in svg.iter():
        for name, value in element.attrib.items():
            assert not re.search(r"\b(nan|inf)\b", value), (element.tag, name, value)


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, folder], check=True)
        text = pathlib.Path(folder, "page.html").read_text(encoding="utf-8")
        svg = xml.etree.ElementTree.parse(pathlib.Path(folder, "charts.svg")).getroot()
    page = read_page(text)
    assert "script" not in page.tags, "a class name became markup"
    assert "<script>alert(1)</script>" in "".join(page.text)
    assert page.tags["svg"] == 6 and page.tags["section"] == 2 and page.tags["meta"] == 3
    assert [i["alt"] for i in page.images] == ["\"dogs\" & 'cats'", "\N{REPLACEMENT CHARACTER}"]
    for image in page.images:
        start, data = image["src"].split(",")
        assert start == "data:image/jpeg;base64"
        assert base64.b64decode(data, validate=True)[:2] == b"\xff\xd8"
    ns = "{http://www.w3.org/2000/svg}"
    assert svg.tag == ns + "svg" and len(svg.findall(ns + "svg")) == 6
    numbers_are_finite(svg)
    curve = next(d for d in (path.get("d") for path in svg.iter(ns + "path")) if "h0" in d)
    assert curve.count("M") == 3 and curve.count("L") == 2, f"gaps where values are not finite: {curve}"
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
