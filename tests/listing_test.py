"""The listing of the example in docs/library.md is the file itself.

usage: listing_test.py library.md example.c"""
import sys

readme, example = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
listing = readme.partition("<!-- example -->\n```c\n")[2].partition("```\n<!-- /example -->")[0]
if listing != example:
    sys.exit("library.md: what stands between the example's markers is not tests/api/example.c")
