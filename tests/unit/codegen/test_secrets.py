"""The table of secrets: what it must name, what it may not, and the classes made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen import render, secrets
from codegen.model import Project
from codegen.schema import Schema
from codegen.schema import load as load_schema
from codegen.secrets import SecretsError

PROTOS = Path(__file__).resolve().parents[3] / "protos"
SMALL = """
message Login {
  optional string user = 1;
  optional string tradePwd = 2;
  optional bytes nextKey = 3;
  optional int64 key = 4;
  repeated string otherTokens = 5;
}
"""
EXPLAINED = """
[secret]
"Small.Login.tradePwd" = "password"
"Small.Login.otherTokens" = "tokens"
[open]
"nextKey" = "a place in a list"
"""


@pytest.fixture
def small(tmp_path: Path) -> Schema:
    (tmp_path / "Small.proto").write_text(f'syntax = "proto2";\npackage Small;\n{SMALL}')
    return load_schema(tmp_path)


def faults(tmp_path: Path, schema: Schema, text: str, *, strict: bool = True) -> tuple[str, ...]:
    """What the table is accused of, one line each."""
    path = tmp_path / "secrets.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SecretsError) as caught:
        secrets.load(path, schema, strict=strict)
    assert str(caught.value).startswith("secrets.toml: ")
    return caught.value.faults


def test_the_fields_of_the_table_are_named(tmp_path: Path, small: Schema) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(EXPLAINED)
    assert secrets.load(path, small) == {"Small.Login.tradePwd", "Small.Login.otherTokens"}


def test_an_entry_that_is_no_field_is_refused_by_name(tmp_path: Path, small: Schema) -> None:
    text = EXPLAINED.replace(
        "[open]", '"Small.Login.pin" = "x"\n"user" = "x"\n[open]\n"gone" = "x"'
    )
    assert faults(tmp_path, small, text) == (
        "Small.Login.pin: no such field",
        "gone: no such field",
        "user: no such field",
    )


def test_an_older_schema_may_lack_what_the_table_names(tmp_path: Path, small: Schema) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(EXPLAINED.replace("[open]", '"Small.Login.pin" = "x"\n[open]\n"gone" = "x"'))
    assert len(secrets.load(path, small, strict=False)) == 2


@pytest.mark.parametrize("strict", [True, False])
def test_a_name_that_sounds_like_a_secret_must_be_explained(
    tmp_path: Path, small: Schema, strict: bool
) -> None:
    text = EXPLAINED.replace('"nextKey"', '"user"').replace('"Small.Login.tradePwd"', "# ")
    assert faults(tmp_path, small, text, strict=strict) == (
        "Small.Login.nextKey: sounds like a secret and stands neither in [secret] nor in [open]",
        "Small.Login.tradePwd: sounds like a secret and stands neither in [secret] nor in [open]",
    )


def test_without_the_file_nothing_passes_unseen_either(tmp_path: Path, small: Schema) -> None:
    with pytest.raises(SecretsError, match="tradePwd"):
        secrets.load(tmp_path / "secrets.toml", small)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[secret", "not TOML: "),
        ("[others]\n", "others: not one of the tables"),
        ('secret = "x"\n', "secret: not a table"),
        ('[secret]\n"Small.Login.user" = ""\n', "Small.Login.user: needs a text in [secret]"),
        ('[open]\n"nextKey" = 5\n', "nextKey: needs a text in [open]"),
        (EXPLAINED + '"tradePwd" = "x"\n', "Small.Login.tradePwd: is secret and open"),
    ],
)
def test_a_table_of_another_form_is_refused(
    tmp_path: Path, small: Schema, text: str, fault: str
) -> None:
    assert faults(tmp_path, small, text)[0].startswith(fault)


@pytest.mark.parametrize(
    ("name", "sounds_secret"),
    [
        ("pwdMD5", True),
        ("connAESKey", True),
        ("aesCBCiv", True),
        ("RSAPrivateKey", True),
        ("websocket_key", True),
        ("accessToken", True),
        ("smsCode", True),
        ("keyword", False),
        ("given", False),
        ("dividend", False),
        ("monkey", False),
        ("shipping", False),
    ],
)
def test_which_names_sound_like_a_secret(tmp_path: Path, name: str, sounds_secret: bool) -> None:
    text = f'syntax = "proto2";\npackage Small;\nmessage A {{ optional string {name} = 1; }}\n'
    (tmp_path / "Small.proto").write_text(text)
    schema = load_schema(tmp_path)
    if sounds_secret:
        with pytest.raises(SecretsError, match=name):
            secrets.load(tmp_path / "secrets.toml", schema)
    else:
        assert secrets.load(tmp_path / "secrets.toml", schema) == frozenset()


def test_classes_that_hold_a_secret_are_masked_and_no_others() -> None:
    project = Project.load(PROTOS)
    assert "Trd_UnlockTrade.C2S.pwdMD5" in project.secrets
    rendered = render.outputs(project)
    masked = sum(text.count("(masks.Masked, kw_only=True, ") for text in rendered.values())
    assert masked == len({name.rpartition(".")[0] for name in project.secrets})
    text = rendered["futukit/messages/trd_unlock_trade.py"]
    assert '    __secrets__ = ("pwd_md5",)\n' in text
