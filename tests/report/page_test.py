"""Runs page_test.c and reads what it wrote: the SVG as XML, the page as a browser would, with nothing
fetched and nothing from outside left unescaped.

usage: page_test.py PROGRAM"""
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True  # beside the sources
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from page import Page


def numbers_are_finite(svg):
    for element in svg.iter():
        for name, value in element.attrib.items():
            assert not re.search(r"\b(nan|inf)\b", value), (element.tag, name, value)


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([program, folder], check=True)
        page = Page(pathlib.Path(folder, "page.html"))
        svg = xml.etree.ElementTree.parse(pathlib.Path(folder, "charts.svg")).getroot()
    assert not page.faults, page.faults
    assert "<script>alert(1)</script>" in "".join(page.texts)
    assert [page.count(tag) for tag in ("svg", "section", "meta")] == [8, 2, 3]
    assert [a["alt"] for tag, a in page.tags if tag == "img"] == ["\"dogs\" & 'cats'", "\N{REPLACEMENT CHARACTER}"]
    assert [p[:2] for p in page.images] == [b"\xff\xd8"] * 2
    ns = "{http://www.w3.org/2000/svg}"
    assert svg.tag == ns + "svg" and len(svg.findall(ns + "svg")) == 8
    numbers_are_finite(svg)
    curve = next(d for d in (path.get("d") for path in svg.iter(ns + "path")) if "h0" in d)
    assert curve.count("M") == 3 and curve.count("L") == 2, f"gaps where values are not finite: {curve}"
    assert all(len(group) for group in svg.iter(ns + "g")), "a name in a legend without its line"
    charts = {chart.find(ns + "title").text: chart for chart in svg.findall(ns + "svg")}
    texts = {title: [text.text for text in chart.iter(ns + "text")] for title, chart in charts.items()}
    assert "epoch 5: 0.3" in texts["Loss"], texts["Loss"]
    # shares of the row below counts; none below a 0
    assert [t for t in texts["Confusion"] if t.endswith(" %")] == [
        "83 %", "17 %", "17 %", "75 %", "8.3 %", "25 %", "25 %", "25 %", "25 %"], texts["Confusion"]
    # categories by name, not by number
    shown = [t for t in texts["Categories"] if not re.fullmatch(r"[\d.]+", t)]
    assert len(shown) == 5 and shown[2] == "\"dogs\" &\N{HORIZONTAL ELLIPSIS}", shown
    assert not {"0", "1", "2", "3"} & set(texts["Categories"]), texts["Categories"]
    # the last values beside the ends, apart from each other
    ends = {t.text: float(t.get("y")) for t in charts["Ends"].iter(ns + "text") if "end" in (t.get("class") or "").split()}
    assert set(ends) == {"0.9", "0.89"} and ends["0.89"] - ends["0.9"] >= 12.9, ends
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
