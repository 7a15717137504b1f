"""The generator of the drop-in face: small tables, the Python that comes of them, and refusals."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from codegen import render
from codegen.errors import CodegenError
from codegen.model import Project

PROTO = """
syntax = "proto2";
package Qot_Small;
message Level { required double price = 1; optional int64 volume = 2; }
message Row {
  required string name = 1;
  optional double price = 2;
  optional int64 volume = 3;
  repeated Level levels = 4;
  optional Level best = 5;
  required int32 kind = 6;
  repeated string notes = 7;
}
message Filter { required string word = 1; optional int32 limit = 2; }
message C2S {
  required string name = 1;
  optional int32 count = 2;
  optional Filter filter = 3;
  repeated int32 kinds = 4;
  optional string beginTime = 5;
  optional string endTime = 6;
  repeated Filter filters = 7;
}
message S2C { repeated Row rows = 1; optional string note = 2; optional Row first = 3; }
message Request { required C2S c2s = 1; }
message Response { required int32 retType = 1 [default = -400]; optional S2C s2c = 2; }
message Pushed { required int32 retType = 1 [default = -400]; optional S2C s2c = 2; }
"""
IDS = """
[3999]
official_name = "Qot_Small"
kind = "request"
proto_file = "Qot_Small.proto"
request = "Request"
response = "Response"
access = "none"
summary = "A small one."

[3998]
official_name = "Qot_Pushed"
kind = "push"
proto_file = "Qot_Small.proto"
response = "Pushed"
access = "none"
summary = "The same, pushed."

[3997]
official_name = "Qot_Raw"
kind = "request"
access = "none"
summary = "Bytes only."
"""
ENUMS = """
[Kind]
doc = "Kinds."
members = [["A", "a"], ["B", "b"]]
numbers = [["A", 1], ["B", 2]]
"""
NAMES = "[public]\nconstants = []\nquote = ['OpenQuoteContext']\n[left_out]\n"
METHOD = """
[[method]]
name = "get_rows"
context = "quote"
proto_id = 3999
doc = "Rows."
parameters = [{ name = "name", to = "name", as = "text", doc = "Which" }]
returns = { frame = "rows", of = "rows" }
"""
TABLE = '[table.rows]\ncolumns = [["name", "name"]]\n'

Generate = Callable[..., dict[str, str]]


@pytest.fixture
def generate(tmp_path: Path) -> Generate:
    """Files of ``protos/futu`` by name → the modules of the face, by name."""

    def run(text: str = METHOD + TABLE, **more: str) -> dict[str, str]:
        folder = tmp_path / "futu"
        folder.mkdir(exist_ok=True)
        (tmp_path / "Qot_Small.proto").write_text(PROTO)
        (tmp_path / "proto_ids.toml").write_text(IDS)
        (tmp_path / "enums.toml").write_text("")
        files = {"enums": ENUMS, "names": NAMES, "small": text, **more}
        for name, content in files.items():
            (folder / f"{name}.toml").write_text(content)
        rendered = render.outputs(Project.load(tmp_path), tmp_path)
        face = {p: t for p, t in rendered.items() if p.startswith("futukit/futu/")}
        for content in face.values():
            ast.parse(content)
        return {Path(path).stem: content for path, content in face.items()}

    return run


def table(columns: str, *more: str) -> str:
    """The method and its table."""
    return "\n".join([METHOD, "[table.rows]", f"columns = [{columns}]", *more])


def method(*, parameters: str = "", returns: str = '{ frame = "rows", of = "rows" }') -> str:
    """A method that fills what must be filled, and its table."""
    return f"""
[[method]]
name = "get_rows"
context = "quote"
proto_id = 3999
doc = "Rows."
parameters = [{{ name = "name", to = "name", as = "text" }}, {parameters}]
returns = {returns}
{TABLE}"""


def body(module: str, name: str) -> str:
    """The text of one function or method, without its docstring."""
    for node in ast.walk(ast.parse(module)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return "\n".join(ast.unparse(each) for each in node.body[1:])
    raise AssertionError(f"no {name}")


def column(generate: Generate, entry: str, *more: str) -> str:
    """The expression of a column."""
    text = body(generate(table(entry, *more))["_tables"], "rows")
    returned = ast.parse(text.replace("return ", "", 1)).body[0]
    assert isinstance(returned, ast.Expr)
    assert isinstance(returned.value, ast.Dict)
    (value,) = returned.value.values
    return ast.unparse(value)


# What is generated.


def test_a_method(generate: Generate) -> None:
    text = generate()["_quote"]
    wanted = '''
        @answering()
        def get_rows(
            self,
            name: str,
        ) -> Outcome:
            """Rows. (proto id 3999)

            Args:
                name: Which.
            """
            from futukit.messages import qot_small

            c2s = qot_small.C2S(name=needed("name", as_text("name", name)))
            answer = self._call(3999, qot_small.Request(c2s=c2s))
            return RET_OK, frame(_tables.rows(answer.rows, answer))
    '''
    assert dedent(wanted).strip() in dedent(text[text.index("    @answering") :])
    for line in (
        "from futukit.futu import _tables\n",
        "from futukit.futu.arguments import as_text, needed\n",
        "from futukit.futu.frames import frame\n",
        "from futukit.futu.outcome import Outcome, RET_OK, answering\n",
    ):
        assert line in text
    assert '__all__ = ("QuoteMethods",)' in text


@pytest.mark.parametrize(
    ("entry", "more", "wanted"),
    [
        ('["x", "name"]', "", "[row.name for row in rows]"),
        ('["x", "price"]', "", "['N/A' if (v1 := row.price) is None else v1 for row in rows]"),
        (
            '["x", "price", "", "missing"]',
            "",
            "[MISSING if (v1 := row.price) is None else v1 for row in rows]",
        ),
        (
            '["x", "price"]',
            'absent = "unset"',
            "[0.0 if (v1 := row.price) is None else v1 for row in rows]",
        ),
        ('["x", "price", "", 7]', "", "[7 if (v1 := row.price) is None else v1 for row in rows]"),
        (
            '["x", "price", "", "-"]',
            "",
            "['-' if (v1 := row.price) is None else v1 for row in rows]",
        ),
        (
            '["x", "price", "", "lacking"]',
            "",
            "lacking([LACKING if (v1 := row.price) is None else v1 for row in rows])",
        ),
        (
            '["x", "price", "percent"]',
            "",
            "['N/A' if (v1 := row.price) is None else percent(v1) for row in rows]",
        ),
        (
            '["x", "best.price"]',
            "within = { best = 'none' }",
            "[None if (v1 := row.best) is None else v1.price for row in rows]",
        ),
        (
            '["x", "price|volume"]',
            "",
            "[('N/A' if (v1 := row.volume) is None else v1) if (v2 := row.price) is None else v2"
            " for row in rows]",
        ),
        ('["x", "kind", "enum Kind"]', "", "[Kind._words.get(row.kind, 'N/A') for row in rows]"),
        (
            '["x", "kind", "words 1=a 2=b"]',
            "",
            "[{1: 'a', 2: 'b'}.get(row.kind, 'N/A') for row in rows]",
        ),
        ('["x", "notes", "list"]', "", "[list(row.notes) for row in rows]"),
        (
            '["x", "best", "present"]',
            "",
            "[False if (v1 := row.best) is None else True for row in rows]",
        ),
        (
            '["x", "levels", "pick volume=3 price"]',
            "",
            "[pick(row.levels, 'volume', 3, 'price') for row in rows]",
        ),
        ('["x", "=N/A"]', "", "['N/A'] * len(rows)"),
        ('["x", "=0"]', "", "[0] * len(rows)"),
        (
            '["x", "^note"]',
            "",
            "['N/A' if (v1 := answer.note) is None else v1] * len(rows) if rows else []",
        ),
        (
            '["x", "name"]',
            'when = { x = "price" }',
            "[row.name if (False if (v1 := row.price) is None else v1) else MISSING"
            " for row in rows]",
        ),
    ],
)
def test_a_column(generate: Generate, entry: str, more: str, wanted: str) -> None:
    assert column(generate, entry, more) == wanted


def test_a_table_in_a_table(generate: Generate) -> None:
    nested = '[table.level]\ncolumns = [["price", "price"]]\n'
    tables = generate(table('["levels", "levels", "rows level"]') + "\n" + nested)["_tables"]
    assert "records(level(row.levels, answer))" in body(tables, "rows")
    assert body(tables, "level") == "return {'price': [row.price for row in rows]}"


def test_reals_are_read_for_all_rows_at_once(generate: Generate) -> None:
    text = body(
        generate(table('["x", "price"], ["y", "volume"]', "reals = true"))["_tables"], "rows"
    )
    assert text.startswith("real = reals(rows, ('price',))\n")
    assert "real.get('price')" in text
    assert "real.get('volume')" not in text


@pytest.mark.parametrize(
    ("returns", "wanted"),
    [
        ('{ list = "rows", of = "rows" }', "records(_tables.rows(answer.rows, answer))"),
        (
            '{ dict = "rows", of = "first" }',
            "next(iter(records(_tables.rows(() if (v1 := answer.first) is None else (v1,),"
            " answer))), {})",
        ),
        ('{ frame = "rows", of = "rows" }', "frame(_tables.rows(answer.rows, answer))"),
    ],
)
def test_a_result(generate: Generate, returns: str, wanted: str) -> None:
    text = body(generate(method(returns=returns))["_quote"], "get_rows")
    assert text.endswith(f"return (RET_OK, {wanted})")


@pytest.mark.parametrize(
    ("returns", "wanted"),
    [
        ("{ nothing = true }", "return (RET_OK, None)"),
        ('{ value = "note" }', "return (RET_OK, 'N/A' if (v1 := answer.note) is None else v1)"),
        ('{ value = "note", absent = "none" }', "return (RET_OK, None if (v1 := answer.note) is"),
        ('[{ value = "=0" }, { value = "=none" }]', "return (RET_OK, 0, None)"),
    ],
)
def test_a_result_without_a_table(generate: Generate, returns: str, wanted: str) -> None:
    text = body(generate(method(returns=returns).replace(TABLE, ""))["_quote"], "get_rows")
    assert wanted in text


def test_fields_of_a_message_that_may_be_left_out(generate: Generate) -> None:
    parameters = (
        '{ name = "word", default = "@None", to = "filter.word", as = "text" },'
        '{ name = "limit", default = 5, to = "filter.limit", as = "integer" },'
        '{ name = "kinds", default = [], to = "kinds", as = "enums Kind" }'
    )
    module = generate(method(parameters=parameters))["_quote"]
    text = body(module, "get_rows")
    assert "some(qot_small.Filter, word=as_text('word', word)" in text
    assert "limit=as_integer('limit', limit)" in text
    assert "kinds=as_enums('kinds', kinds, Kind)" in text
    assert "word: str | None = None," in module
    assert "limit: int = 5," in module
    assert "kinds: Sequence[str] | str = ()," in module
    assert "from futukit.futu._enums import Kind\n" in module


def test_a_span_of_time(generate: Generate) -> None:
    span = '{ name = "start", default = "@None" }, { name = "end", default = "@None" }'
    window = (
        'window = { start = "start", end = "end", days = 365, to = ["begin_time", "end_time"] }'
    )
    text = method(parameters=span).replace("parameters", f"{window}\nparameters")
    made = body(generate(text)["_quote"], "get_rows")
    assert "begin, until = window(('start', start), ('end', end), 365)" in made
    assert "begin_time=begin, end_time=until" in made


def test_a_request_object(generate: Generate) -> None:
    text = method(parameters='{ name = "given", to = "filters", as = "items small_filter" }')
    text += """
[object.small_filter]
class = "SmallFilter"
message = "Qot_Small.Filter"
doc = "A filter."
fields = [
  { name = "word", to = "word", as = "text", required = true },
  { name = "limit", to = "limit", as = "integer" },
]
"""
    made = generate(text)
    assert "as_items('given', given, _objects.small_filter)" in body(made["_quote"], "get_rows")
    objects = made["_objects"]
    assert "class SmallFilter:" in objects
    wanted = "word=needed(f'{name}.word', as_text(f'{name}.word', value.word))"
    assert wanted in body(objects, "small_filter")


def test_a_handler(generate: Generate) -> None:
    handler = """
[[handler]]
name = "SmallHandlerBase"
proto_id = 3998
doc = "Small ones."
returns = { frame = "rows", of = "rows" }
"""
    text = generate(handler + TABLE)["_handlers"]
    assert "class SmallHandlerBase(RspHandlerBase):" in text
    assert "proto_id = 3998" in text
    assert "return RET_OK, frame(_tables.rows(answer.rows, answer))" in text


def test_the_star_holds_classes_and_names_by_module(generate: Generate) -> None:
    text = generate()["_star"]
    assert "from futukit.futu._enums import (\n    Kind as Kind,\n)" in text
    assert "from futukit.futu.quote import (\n    OpenQuoteContext as OpenQuoteContext,\n)" in text
    assert '__all__ = (\n    "Kind",\n    "OpenQuoteContext",\n)' in text


def test_without_tables_there_is_no_face(tmp_path: Path) -> None:
    (tmp_path / "Qot_Small.proto").write_text(PROTO)
    (tmp_path / "proto_ids.toml").write_text(IDS)
    (tmp_path / "enums.toml").write_text("")
    rendered = render.outputs(Project.load(tmp_path))
    assert not [path for path in rendered if path.startswith("futukit/futu/")]


# What is refused. Every refusal names the place.

REFUSED = {
    "a column of a field that is none": (
        table('["x", "nme"]'),
        r"table rows, column x: Qot_Small\.Row has no 'nme'",
    ),
    "a path beyond a scalar": (table('["x", "name.y"]'), "column x: nothing lies below name"),
    "a path beyond a list": (table('["x", "levels.price"]'), "nothing lies below levels"),
    "a column twice": (
        table('["x", "name"], ["x", "price"]'),
        "table rows: column 'x' stands there twice",
    ),
    "a column without a source": (table('["x"]'), r"\['x'\] is no column"),
    "a column of too much": (table('["x", "name", "", 1, 2]'), "is no column"),
    "a key of a table": (table('["x", "name"]', "colour = 1"), "table rows: unknown key 'colour'"),
    "a parent where there is none": (table('["x", "<name"]'), "column x: the table has no parent"),
    "a condition on a field that is none": (
        table('["x", "name"]', 'when = { x = "nme" }'),
        "column x: .* has no 'nme'",
    ),
    "a table in a table that is none": (
        table('["x", "levels", "rows nothing"]'),
        "there is no table 'nothing'",
    ),
    "a table of a scalar": (table('["x", "name", "rows rows"]'), "column x: rows rows needs"),
    "a pick of a scalar": (table('["x", "name", "pick a=1 b"]'), "column x: pick .* needs a list"),
    "a pick of a field that is none": (
        table('["x", "levels", "pick size=1 price"]'),
        r"column x: Qot_Small\.Level has no 'size'",
    ),
    "a message that is unset": (
        table('["x", "best", "", "unset"]'),
        "best is a message: it has no value",
    ),
    "a method with an unknown table": (METHOD, "there is no table 'rows'"),
    "a table that nobody uses": (
        METHOD + TABLE + '[table.more]\ncolumns = [["x", "name"]]\n',
        "table more: nothing uses it",
    ),
    "one table for rows of two kinds": (
        method(
            returns='[{ frame = "rows", of = "rows" }, { frame = "rows", of = "first.levels" }]'
        ),
        r"table rows, column name: Qot_Small\.Level has no 'name'",
    ),
    "a key of a method": (
        METHOD.replace('doc = "Rows."', 'doc = "Rows."\ncolour = 1') + TABLE,
        "method get_rows: unknown key 'colour'",
    ),
    "a key of a parameter": (
        method(parameters='{ name = "x", colour = 1 }'),
        "method get_rows, parameter x: unknown key 'colour'",
    ),
    "a parameter of a field that is none": (
        method(parameters='{ name = "x", to = "nothing", as = "text" }'),
        r"method get_rows: Qot_Small\.C2S has no 'nothing'",
    ),
    "a field below a scalar": (
        method(parameters='{ name = "x", to = "count.x", as = "text" }'),
        "method get_rows: count has no fields of its own",
    ),
    "a required field that nothing fills": (
        METHOD.replace('to = "name", ', "") + TABLE,
        r"method get_rows: nothing fills Qot_Small\.C2S\.name",
    ),
    "a required field below that nothing fills": (
        method(parameters='{ name = "x", to = "filter.limit", as = "integer" }'),
        r"method get_rows: nothing fills Qot_Small\.Filter\.word",
    ),
    "an object that is none": (
        method(parameters='{ name = "x", to = "filters", as = "items nothing" }'),
        "method get_rows: there is no object 'nothing'",
    ),
    "a method twice": (METHOD + METHOD + TABLE, "quote method 'get_rows' stands there twice"),
    "a method of an id that is none": (
        METHOD.replace("3999", "3996") + TABLE,
        "proto id 3996 has no schema",
    ),
    "a method of an id without a schema": (
        METHOD.replace("3999", "3997") + TABLE,
        "proto id 3997 has no schema",
    ),
    "a method of a push": (
        METHOD.replace("3999", "3998") + TABLE,
        "method get_rows: proto id 3998 is no request",
    ),
    "a result that is none": (
        method(returns="{ colour = 1 }"),
        r"method get_rows: \{'colour': 1\} is no result",
    ),
    "rows of a scalar": (
        method(returns='{ frame = "rows", of = "note" }'),
        "method get_rows: 'note' is no message and has no rows",
    ),
    "rows of a field that is none": (
        method(returns='{ frame = "rows", of = "lines" }'),
        r"method get_rows: Qot_Small\.S2C has no 'lines'",
    ),
    "a kind of table that is none": (METHOD + TABLE + "[colour]\n", "unknown key 'colour'"),
    "what is not TOML": ("[[method", r"small\.toml: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_table_is_refused(generate: Generate, case: str) -> None:
    text, complaint = REFUSED[case]
    with pytest.raises(CodegenError, match=complaint):
        generate(text)


def test_a_table_that_stands_in_two_files_is_refused(generate: Generate) -> None:
    with pytest.raises(CodegenError, match=r"small\.toml: table 'rows' stands in another file"):
        generate(another=TABLE)


def test_tables_may_stand_in_another_file(generate: Generate) -> None:
    assert generate(METHOD, another=TABLE) == generate(METHOD + TABLE, another="")
