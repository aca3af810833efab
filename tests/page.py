"""Pages of HTML as a browser reads them."""
import base64
import html.parser
import pathlib

EMPTY = {"meta", "img", "br", "link", "hr"}


class Page(html.parser.HTMLParser):
    """What stands in a page, and its faults: tags that do not close, an id twice, anything that runs or that comes
    from elsewhere. Links to files beside it are fine."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.images, self.faults = [], [], [], []
        self.open, self.ids = [], set()
        self.source = pathlib.Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        self.faults += [f"<{tag}> is left open" for tag in self.open]
        self.faults += [f"{word} in a style" for word in ("url(", "@import") if word in self.source]

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.faults.append("a script")
        for name, value in attributes:
            if name.startswith("on"):
                self.faults.append(f"<{tag} {name}>")
            if name == "id" and value in self.ids:
                self.faults.append(f"id {value} twice")
            if name == "id":
                self.ids.add(value)
            if name in ("src", "href", "data", "action", "xlink:href"):
                kind, _, data = value.partition(";base64,")
                if kind == "data:image/jpeg":
                    self.images.append(base64.b64decode(data, validate=True))
                elif not value.startswith("#") and (tag != "a" or ":" in value):
                    self.faults.append(f"<{tag}> fetches {value[:60]}")
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data):
        self.texts.append(data)
