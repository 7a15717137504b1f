"""The names and constants of the drop-in face beside those of the official Python SDK."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from codegen import futu_enums
from futukit.futu import _enums, _screening, constants
from futukit.futu.enumeration import FtEnum
from tests.support.upstream import official_python

_TABLES = Path(__file__).resolve().parents[2] / "protos" / "futu"
_CLASSES = futu_enums.load(_TABLES / "enums.toml")
_NAMES = futu_enums.names(_TABLES / "names.toml", _CLASSES)
_WORDS = [c.name for c in _CLASSES if c.kind == "members"]
_NUMERIC = [c.name for c in _CLASSES if c.kind == "integers"]
_PLAIN = [c.name for c in _CLASSES if c.kind == "values"]
_SECONDS = 60.0

_PROGRAM = """
import json, sys
exec("from futu import *", names := {})
found = {name: value for name, value in names.items() if name != "__builtins__"}
print(json.dumps({"names": sorted(found), "seen": seen(found, *json.loads(sys.argv[1]))}))
"""

Seen = dict[str, Any]


def seen(
    names: dict[str, Any], words: list[str], numeric: list[str], plain: list[str]
) -> dict[str, Any]:
    """What the constants are and do; runs in the official environment too, so it stands alone.

    Values are compared by their ``repr``, which tells ``True`` from 1 and shows every order.
    """

    def attributes(cls: type) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(cls).items()
            if not name.startswith("_") and isinstance(value, str | int | list | dict)
        }

    def of_words(cls: Any) -> dict[str, Any]:
        held = attributes(cls)
        enum = cls()
        texts = [*enum.str_dic, *(v for v in held.values() if isinstance(v, str)), "", "no such"]
        numbers = [*enum.number_dic, -77, 2**40, True, False]
        foreign = [None, 1.5, b"", [1]]
        data = {name: v for name, v in held.items() if not isinstance(v, str)}
        if "describe_dict" in data:  # the descriptions are our own words
            data["describe_dict"] = sorted(data["describe_dict"])
        return {
            "members": repr([(name, v) for name, v in held.items() if isinstance(v, str)]),
            "data": repr(sorted(data.items())),
            "str_dic": repr(enum.str_dic),
            "number_dic": repr(enum.number_dic),
            "load_dic": repr(enum.load_dic()),
            "keys": repr([cls.get_all_keys(), cls.get_all_key_list()]),
            "has": repr([cls.if_has_key(value) for value in [*texts, *numbers, *foreign]]),
            # What cannot be converted gets a message of our own.
            "to_number": repr([known(cls.to_number(v)) for v in [*texts, *numbers, *foreign]]),
            "to_string": repr([known(cls.to_string(v)) for v in [*texts, *numbers, *foreign]]),
            "to_string2": repr([cls.to_string2(v) for v in [*texts, *numbers, *foreign]]),
        }

    def known(result: tuple[bool, Any]) -> Any:
        return result if result[0] else (result[0], type(result[1]))

    kl_field, user_info = names["KL_FIELD"], names["UserInfoField"]
    columns: list[Any] = [[], "", ["1"], ["9", "x", "2", "9"], ["3", ""], ("11", "10"), "2,3"]
    helpers = {
        "get_field_list": [kl_field.get_field_list(c) for c in ["", "1,2,2", "5,x", 3, None]],
        "normalize_field_list": [kl_field.normalize_field_list(c) for c in columns],
        "kl_fields_to_flag_val": [kl_field.kl_fields_to_flag_val(c) for c in columns],
        "fields_to_flag_val": [user_info.fields_to_flag_val(f) for f in [[], [1, 2, 2], [2048]]],
        "is_proto_id_push": [names["ProtoId"].is_proto_id_push(n) for n in range(1000, 4000)],
        "check_mkt_envtype": [
            names["TRADE"].check_mkt_envtype(market, environment)
            for market in [*names["TrdMarket"].get_all_key_list(), "no such", None]
            for environment in ["REAL", "SIMULATE", "N/A"]
        ],
        "get_string_by_securityFirm": [
            names["get_string_by_securityFirm"](firm)
            for firm in [*names["SecurityFirm"].get_all_key_list(), "no such", None]
        ],
        "Err": {
            name: failure.code
            for name, failure in vars(names["Err"]).items()
            if not name.startswith("_")
        },
    }
    alone = {
        name: repr(value)
        for name, value in names.items()
        if isinstance(value, str | int | list | dict) and not isinstance(value, type)
    }
    return {
        "words": {name: of_words(names[name]) for name in words},
        "numeric": {
            name: repr([(member, int(v)) for member, v in names[name].__members__.items()])
            for name in numeric
        },
        "plain": {
            name: {key: repr(value) for key, value in attributes(names[name]).items()}
            for name in plain
        },
        "helpers": {name: repr(results) for name, results in helpers.items()},
        "alone": alone,
    }


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    home = tmp_path_factory.mktemp("official-names")  # the SDK logs there
    program = f"from __future__ import annotations\n{inspect.getsource(seen)}\n{_PROGRAM}"
    run = subprocess.run(
        [official_python(), "-P", "-c", program, json.dumps([_WORDS, _NUMERIC, _PLAIN])],
        cwd=home,
        env={"HOME": str(home), "PATH": os.defpath, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told: Seen = json.loads(run.stdout)
    return told


@pytest.fixture(scope="module")
def ours() -> Seen:
    names = {**vars(_enums), **vars(_screening), **vars(constants), "FtEnum": FtEnum}
    return seen(names, _WORDS, _NUMERIC, _PLAIN)


def test_every_official_name_is_public_or_left_out_for_a_reason(official: Seen) -> None:
    left_out = [name for names in _NAMES.left_out.values() for name in names]
    assert sorted([*_NAMES.exported, *left_out]) == official["names"]


@pytest.mark.parametrize("name", _WORDS)
def test_an_enum_of_words_is_the_same(official: Seen, ours: Seen, name: str) -> None:
    assert ours["words"][name] == official["seen"]["words"][name]


@pytest.mark.parametrize("name", _NUMERIC)
def test_a_numeric_enum_is_the_same(official: Seen, ours: Seen, name: str) -> None:
    assert ours["numeric"][name] == official["seen"]["numeric"][name]


@pytest.mark.parametrize("name", _PLAIN)
def test_a_class_of_constants_is_the_same(official: Seen, ours: Seen, name: str) -> None:
    assert ours["plain"][name] == official["seen"]["plain"][name]


def test_what_the_classes_can_do_is_the_same(official: Seen, ours: Seen) -> None:
    assert ours["helpers"] == official["seen"]["helpers"]


def test_the_constants_that_stand_alone_are_the_same(official: Seen, ours: Seen) -> None:
    public = set(_NAMES.public["constants"])
    theirs = {n: v for n, v in official["seen"]["alone"].items() if n in public}
    assert {n: v for n, v in ours["alone"].items() if n in public} == theirs
    assert len(theirs) == 15
