"""What a parameter looks like on the wire, from the tables of OAS 3.1.1 and 3.2 and the examples of RFC 6570.

Each vector is (location, style, explode, value, wire): for `path` the segment, for `query` the query string, for
`header` and `cookie` the header's value. The parameter is called `color`, as in the tables.
"""

from __future__ import annotations

from typing import Any, Final

Vector = tuple[str, str, bool, Any, str]

ARRAY: Final = ["blue", "black", "brown"]
OBJECT: Final = {"R": 100, "G": 200, "B": 150}
# RFC 6570 section 3.2.
KEYS: Final = {"semi": ";", "dot": ".", "comma": ","}

# OAS 3.1.1 section 4.8.12.6, "Style Examples".
STYLE_EXAMPLES: Final[list[Vector]] = [
    ("path", "matrix", False, "", ";color"),
    ("path", "matrix", False, "blue", ";color=blue"),
    ("path", "matrix", False, ARRAY, ";color=blue,black,brown"),
    ("path", "matrix", False, OBJECT, ";color=R,100,G,200,B,150"),
    ("path", "matrix", True, "", ";color"),
    ("path", "matrix", True, "blue", ";color=blue"),
    ("path", "matrix", True, ARRAY, ";color=blue;color=black;color=brown"),
    ("path", "matrix", True, OBJECT, ";R=100;G=200;B=150"),
    ("path", "label", False, "blue", ".blue"),
    ("path", "label", False, ARRAY, ".blue,black,brown"),
    ("path", "label", False, OBJECT, ".R,100,G,200,B,150"),
    ("path", "label", True, "blue", ".blue"),
    ("path", "label", True, ARRAY, ".blue.black.brown"),
    ("path", "label", True, OBJECT, ".R=100.G=200.B=150"),
    ("path", "simple", False, "blue", "blue"),
    ("path", "simple", False, ARRAY, "blue,black,brown"),
    ("path", "simple", False, OBJECT, "R,100,G,200,B,150"),
    ("path", "simple", True, "blue", "blue"),
    ("path", "simple", True, ARRAY, "blue,black,brown"),
    ("path", "simple", True, OBJECT, "R=100,G=200,B=150"),
    ("header", "simple", False, "blue", "blue"),
    ("header", "simple", False, ARRAY, "blue,black,brown"),
    ("header", "simple", False, OBJECT, "R,100,G,200,B,150"),
    ("header", "simple", True, "blue", "blue"),
    ("header", "simple", True, ARRAY, "blue,black,brown"),
    ("header", "simple", True, OBJECT, "R=100,G=200,B=150"),
    ("query", "form", False, "", "color="),
    ("query", "form", False, "blue", "color=blue"),
    ("query", "form", False, ARRAY, "color=blue,black,brown"),
    ("query", "form", False, OBJECT, "color=R,100,G,200,B,150"),
    ("query", "form", True, "", "color="),
    ("query", "form", True, "blue", "color=blue"),
    ("query", "form", True, ARRAY, "color=blue&color=black&color=brown"),
    ("query", "form", True, OBJECT, "R=100&G=200&B=150"),
    ("query", "spaceDelimited", False, ARRAY, "color=blue%20black%20brown"),
    ("query", "spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150"),
    ("query", "pipeDelimited", False, ARRAY, "color=blue%7Cblack%7Cbrown"),
    ("query", "pipeDelimited", False, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
    ("query", "deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ("cookie", "form", False, "blue", "color=blue"),
    ("cookie", "form", False, ARRAY, "color=blue,black,brown"),
    ("cookie", "form", False, OBJECT, "color=R,100,G,200,B,150"),
    ("cookie", "form", True, "blue", "color=blue"),
    # OAS 3.2 section 4.12.5.1: cookies are joined by "; ", not by "&".
    ("cookie", "cookie", False, ARRAY, "color=blue,black,brown"),
    ("cookie", "cookie", False, OBJECT, "color=R,100,G,200,B,150"),
    ("cookie", "cookie", True, "blue", "color=blue"),
    ("cookie", "cookie", True, ARRAY, "color=blue; color=black; color=brown"),
    ("cookie", "cookie", True, OBJECT, "R=100; G=200; B=150"),
]

# RFC 6570 sections 3.2.2 to 3.2.9, the variable named `color` where its name is written.
TEMPLATE_EXAMPLES: Final[list[Vector]] = [
    ("path", "simple", False, "Hello World!", "Hello%20World%21"),
    ("path", "simple", False, "50%", "50%25"),
    ("path", "simple", False, "me/too", "me%2Ftoo"),
    ("path", "simple", False, "/foo/bar", "%2Ffoo%2Fbar"),
    ("path", "simple", False, ["red", "green", "blue"], "red,green,blue"),
    ("path", "simple", False, KEYS, "semi,%3B,dot,.,comma,%2C"),
    ("path", "simple", True, KEYS, "semi=%3B,dot=.,comma=%2C"),
    ("path", "label", False, "fred", ".fred"),
    ("path", "label", False, "50%", ".50%25"),
    ("path", "label", False, ["red", "green", "blue"], ".red,green,blue"),
    ("path", "label", True, ["red", "green", "blue"], ".red.green.blue"),
    ("path", "label", False, KEYS, ".semi,%3B,dot,.,comma,%2C"),
    ("path", "label", True, KEYS, ".semi=%3B.dot=..comma=%2C"),
    ("path", "matrix", False, "fred", ";color=fred"),
    ("path", "matrix", False, "50%", ";color=50%25"),
    ("path", "matrix", False, KEYS, ";color=semi,%3B,dot,.,comma,%2C"),
    ("path", "matrix", True, KEYS, ";semi=%3B;dot=.;comma=%2C"),
    ("path", "matrix", True, ["a", ""], ";color=a;color"),
    ("path", "matrix", True, {"a": "", "b": "c"}, ";a;b=c"),
    ("query", "form", False, "Hello World!", "color=Hello%20World%21"),
    ("query", "form", False, "50%", "color=50%25"),
    ("query", "form", False, KEYS, "color=semi,%3B,dot,.,comma,%2C"),
    ("query", "form", True, KEYS, "semi=%3B&dot=.&comma=%2C"),
    ("query", "form", True, ["a", ""], "color=a&color="),
    ("header", "simple", False, "Hello World!", "Hello World!"),
    ("header", "simple", False, "50%", "50%"),
    ("header", "simple", True, KEYS, "semi=;,dot=.,comma=,"),
]

# RFC 6570 section 2.3: what is undefined, and a member that is null, writes nothing.
UNDEFINED_MEMBERS: Final[list[Vector]] = [
    ("path", "simple", False, ["a", None, "b"], "a,b"),
    ("path", "simple", True, {"a": None, "b": 1}, "b=1"),
    ("path", "label", True, ["a", None], ".a"),
    ("path", "matrix", True, [None, "a"], ";color=a"),
    ("query", "form", True, ["a", None, "b"], "color=a&color=b"),
    ("query", "form", False, ["a", None, "b"], "color=a,b"),
    ("query", "form", True, {"a": None, "b": 1}, "b=1"),
    ("query", "form", False, {"a": None, "b": 1}, "color=b,1"),
    ("query", "form", True, [], ""),
    ("query", "form", False, [], ""),
    ("query", "form", False, [None], ""),
    ("query", "form", True, {}, ""),
    ("query", "form", False, {}, ""),
    ("query", "pipeDelimited", False, [], ""),
    ("query", "spaceDelimited", False, [None], ""),
    ("query", "deepObject", True, {}, ""),
    ("query", "deepObject", True, {"a": None, "b": 1}, "color%5Bb%5D=1"),
    ("header", "simple", False, ["a", None], "a"),
    ("cookie", "form", False, ["a", None], "color=a"),
    ("cookie", "form", False, [], ""),
    ("cookie", "cookie", True, {}, ""),
]

# Scalars are written as JSON writes them, texts as they are; UTF-8 is percent-encoded (RFC 3986 section 2.5).
SCALARS: Final[list[Vector]] = [
    ("path", "simple", False, 5, "5"),
    ("path", "simple", False, -1.5, "-1.5"),
    ("path", "simple", False, True, "true"),
    ("path", "simple", False, 9223372036854775807, "9223372036854775807"),
    ("path", "simple", False, [1, False, 0.1], "1,false,0.1"),
    ("path", "simple", False, "größe", "gr%C3%B6%C3%9Fe"),
    ("path", "simple", False, "日本", "%E6%97%A5%E6%9C%AC"),
    ("path", "simple", False, "a~b-c_d.e", "a~b-c_d.e"),
    ("path", "simple", False, "a:b@c", "a%3Ab%40c"),
    ("path", "simple", False, ["a,b", "c"], "a%2Cb,c"),
    ("path", "simple", True, {"a=b": "c,d"}, "a%3Db=c%2Cd"),
    ("path", "label", True, ["a.b", "c"], ".a.b.c"),
    ("path", "matrix", True, ["a;b", "c=d"], ";color=a%3Bb;color=c%3Dd"),
    ("query", "form", True, 5, "color=5"),
    ("query", "form", True, 0.1, "color=0.1"),
    ("query", "form", True, False, "color=false"),
    ("query", "form", True, "x&admin=true#f", "color=x%26admin%3Dtrue%23f"),
    ("query", "form", True, "a+b c", "color=a%2Bb%20c"),
    ("query", "form", True, "?/:@", "color=%3F%2F%3A%40"),
    ("query", "form", True, "😀", "color=%F0%9F%98%80"),
    ("query", "form", True, "\x00", "color=%00"),
    ("query", "form", True, ["a,b", "c&d"], "color=a%2Cb&color=c%26d"),
    ("query", "form", False, ["a,b", "c&d"], "color=a%2Cb,c%26d"),
    ("query", "form", True, {"a&b": "c=d", "[e]": "f"}, "a%26b=c%3Dd&%5Be%5D=f"),
    ("query", "form", False, {"a,b": "c"}, "color=a%2Cb,c"),
    ("query", "form", True, [True, 1, 0.5], "color=true&color=1&color=0.5"),
    ("query", "spaceDelimited", False, ["a b", "c"], "color=a%20b%20c"),
    ("query", "spaceDelimited", True, ARRAY, "color=blue&color=black&color=brown"),
    ("query", "pipeDelimited", False, ["a|b", "c"], "color=a%7Cb%7Cc"),
    ("query", "pipeDelimited", True, ARRAY, "color=blue&color=black&color=brown"),
    ("query", "pipeDelimited", False, [1, 2], "color=1%7C2"),
    ("query", "spaceDelimited", False, "blue", "color=blue"),
    ("query", "pipeDelimited", False, "blue", "color=blue"),
    ("query", "deepObject", True, {"a b": "c&d"}, "color%5Ba%20b%5D=c%26d"),
    ("query", "deepObject", True, {"a]=x&b[": 1}, "color%5Ba%5D%3Dx%26b%5B%5D=1"),
    # Beyond the specification: nested objects, and lists by index.
    ("query", "deepObject", True, {"a": {"b": 1, "c": {"d": 2}}}, "color%5Ba%5D%5Bb%5D=1&color%5Ba%5D%5Bc%5D%5Bd%5D=2"),
    ("query", "deepObject", True, {"a": ["x", "y"]}, "color%5Ba%5D%5B0%5D=x&color%5Ba%5D%5B1%5D=y"),
    ("query", "deepObject", True, ["x"], "color%5B0%5D=x"),
    # An object inside a list or object has no style; it is written as JSON.
    ("query", "form", True, [{"a": 1}], "color=%7B%22a%22%3A1%7D"),
    ("query", "form", True, {"a": [1, 2]}, "a=%5B1%2C2%5D"),
    ("path", "simple", False, {"a": {"b": None}}, "a,%7B%22b%22%3Anull%7D"),
    ("header", "simple", False, 12, "12"),
    ("header", "simple", False, True, "true"),
    ("header", "simple", False, [1, 2], "1,2"),
    ("header", "simple", False, "a=b; c", "a=b; c"),
    ("cookie", "form", True, "a b;c", "color=a%20b%3Bc"),
    ("cookie", "form", True, 5, "color=5"),
    ("cookie", "form", True, "größe", "color=gr%C3%B6%C3%9Fe"),
    ("cookie", "cookie", True, "a b%20", "color=a b%20"),
]

VECTORS: Final[list[Vector]] = [*STYLE_EXAMPLES, *TEMPLATE_EXAMPLES, *UNDEFINED_MEMBERS, *SCALARS]

# Reserved expansion in the query: OAS 3.1.1 section 4.8.12.3, `allowReserved`; RFC 6570 section 3.2.3.
RESERVED: Final[list[Vector]] = [
    ("query", "form", True, ":/?@!$'()*,;=", "color=:/?@!$'()*,;="),
    ("query", "form", True, "/foo/bar", "color=/foo/bar"),
    ("query", "form", True, "Hello World!", "color=Hello%20World!"),
    ("query", "form", True, "50%", "color=50%25"),
    ("query", "form", True, "a%20b%2fc%zz", "color=a%20b%2fc%25zz"),
    # Not allowed in a query, or with a meaning of their own in a form.
    ("query", "form", True, "a&b=c#d[e]+f", "color=a%26b=c%23d%5Be%5D%2Bf"),
    ("query", "form", False, ["a/b", "c:d"], "color=a/b,c:d"),
    ("query", "pipeDelimited", False, ["a/b", "c"], "color=a/b%7Cc"),
    ("query", "deepObject", True, {"a": "b/c"}, "color%5Ba%5D=b/c"),
    ("query", "form", True, "é", "color=%C3%A9"),
]
