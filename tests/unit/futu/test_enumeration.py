"""The constant classes of the drop-in face, and the tables that they are generated from."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from codegen import futu_enums
from codegen.errors import TableError
from futukit.futu import _enums, _screening, constants
from futukit.futu._enums import (
    KL_FIELD,
    EventSortDir,
    KLType,
    Market,
    MarketState,
    OrderBookType,
    ProtoId,
    QotPushType,
    RunMode,
    StockField,
    UserInfoField,
)
from futukit.futu.enumeration import FtEnum
from futukit.messages import qot_common, registry, trd_common
from futukit.types import OpenEnum

ROOT = Path(__file__).resolve().parents[3]
TABLES = ROOT / "protos" / "futu"

WORDS: dict[str, type[FtEnum]] = {
    name: enum for name in _enums.__all__ if issubclass(enum := getattr(_enums, name), FtEnum)
}

# Where upstream's enum has another name than the schema's, or several enums share that name.
RENAMED = {
    "AlertOrderType": "qot_get_option_event.OptionOrderType",
    "ArkActiveTransactionHoldingType": "qot_get_ark_active_transaction.HoldingType",
    "ArkActiveTransactionSortField": "qot_get_ark_active_transaction.SortField",
    "ArkCycleType": "qot_get_ark_fund_holding.CycleType",
    "ArkDynamicType": "qot_get_ark_stock_dynamic.DynamicType",
    "ArkFundHoldingSortField": "qot_get_ark_fund_holding.SortField",
    "AssetCategory": "trd_common.TrdAssetCategory",
    "AuType": "qot_common.RehabType",
    "CashFlowDirection": "trd_flow_summary.TrdCashFlowDirection",
    "DealStatus": "trd_common.OrderFillStatus",
    "DividendRankIndicatorType": "qot_get_dividend_rank.IndicatorType",
    "DividendRankSortField": "qot_get_dividend_rank.SortField",
    "ECContractType": "qot_common.EC_ContractType",
    "ECFrequency": "qot_common.EC_Frequency",
    "ECKlineSource": "qot_common.EC_KlineSource",
    "ECMilestoneType": "qot_common.EC_MilestoneType",
    "ECStatus": "qot_common.EC_Status",
    "EarningsBeatIndicatorType": "qot_get_earnings_beat_rank.IndicatorType",
    "EarningsBeatSortField": "qot_get_earnings_beat_rank.SortField",
    "EconomicImportance": "qot_get_economic_calendar.Importance",
    "EventMarketSentiment": "qot_get_option_event.MarketSentiment",
    "EventOrderType": "qot_get_option_event.OptionOrderType",
    "EventTickerStrategy": "qot_get_option_event.TickerStrategy",
    "EventTickerType": "qot_get_option_event.TickerType",
    "HeatMapSortField": "qot_get_heat_map_data.SortField",
    "HighDividendSOEIndicatorType": "qot_get_high_dividend_soe_rank.IndicatorType",
    "HighDividendSOESortField": "qot_get_high_dividend_soe_rank.SortField",
    "HotListIndicatorType": "qot_get_hot_list.IndicatorType",
    "IndexComponent": "qot_option_common.IndexComponentType",
    "InstitutionHoldingChangeSortField": "qot_get_institution_holding_change.SortField",
    "InstitutionHoldingChangeType": "qot_get_institution_holding_change.HoldingChangeType",
    "InstitutionHoldingListSortField": "qot_get_institution_holding_list.SortField",
    "InstitutionListSortField": "qot_get_institution_list.SortField",
    "Market": "qot_common.QotMarket",
    "MarketState": "qot_common.QotMarketState",
    "PeriodChangeIndicatorType": "qot_get_period_change_rank.IndicatorType",
    "PeriodType": "qot_common.PeriodType",
    "Plate": "qot_common.PlateSetType",
    "PlateStockSortField": "qot_get_industrial_plate_stock.SortField",
    "PriceFilter": "qot_get_us_pre_market_rank.PriceFilter",
    "RankPeriodType": "qot_get_period_change_rank.PeriodType",
    "RankSortDir": "qot_get_us_pre_market_rank.SortDir",
    "RiseFallDistributionType": "qot_get_rise_fall_distribution.DistributionType",
    "SecurityReferenceType": "qot_get_reference.ReferenceType",
    "SimpleRankIndicatorType": "qot_get_us_pre_market_rank.IndicatorType",
    "SortDir": "qot_stock_filter.SortDir",
    "SortField": "qot_common.SortField",
    "StockHolder": "qot_common.HolderCategory",
    "SubAccType": "trd_common.TrdSubAccType",
    "SysNotifyType": "notify.NotifyType",
    "TickerDirect": "qot_common.TickerDirection",
    "TickerType": "qot_common.TickerType",
    "UserAttr": "common.UserAttribution",
    "UserSecurityGroupType": "qot_get_user_security_group.GroupType",
    "WrtType": "qot_common.WarrantType",
}
# No enum of the schema carries these numbers.
OWN_NUMBERS = {"DistributionFrequency", "EventSortDir", "RunMode", "StrategyLegAction"}
# One class for five enums, each from a number of its own on.
STOCK_FIELDS = {
    "StockField": StockField.simple_enum_begin,
    "AccumulateField": StockField.acc_enum_begin,
    "FinancialField": StockField.financial_enum_begin,
    "PatternField": StockField.pattern_enum_begin,
    "CustomIndicatorField": StockField.indicator_enum_begin,
}


def enum_modules() -> dict[str, list[type[OpenEnum]]]:
    """Enum name → the schema's enums of that name."""
    found: dict[str, list[type[OpenEnum]]] = {}
    for path in sorted((ROOT / "futukit" / "messages").glob("*.py")):
        for name in re.findall(r"^class (\w+)\(OpenEnum\)", path.read_text("utf-8"), re.M):
            enum = getattr(import_module(f"futukit.messages.{path.stem}"), name)
            found.setdefault(name, []).append(enum)
    return found


SCHEMA = enum_modules()


def schema_enum(name: str) -> type[OpenEnum]:
    if name in RENAMED:
        module, _, member = RENAMED[name].partition(".")
        enum: type[OpenEnum] = getattr(import_module(f"futukit.messages.{module}"), member)
        return enum
    (enum,) = SCHEMA[name]
    return enum


def plain(name: str) -> str:
    return name.replace("_", "").lower()


def attribute_of(enum: type[FtEnum], word: str) -> str:
    (name,) = (n for n, v in vars(enum).items() if v == word and not n.startswith("_"))
    return name


@pytest.mark.parametrize("name", sorted({*WORDS} - OWN_NUMBERS - {"StockField"}))
def test_the_numbers_are_those_of_the_schema(name: str) -> None:
    enum, schema = WORDS[name], schema_enum(name)
    named = {plain(member): int(value) for member, value in schema.__members__.items()}
    for word, number in enum().str_dic.items():
        # 0 is "unknown" upstream even where the schema begins at 1.
        assert number in named.values() or (word, number) == ("N/A", 0)
        assert named.get(plain(attribute_of(enum, word)), number) == number


def test_the_numbers_of_stock_fields_are_those_of_five_enums() -> None:
    known: set[int] = set()
    for name, begin in STOCK_FIELDS.items():
        (schema,) = SCHEMA[name]
        known |= {begin + int(member) for member in schema}
    assert set(StockField().number_dic) <= known


def test_the_proto_ids_are_in_the_table_of_protocols() -> None:
    ids = {
        name: value
        for name, value in vars(ProtoId).items()
        if isinstance(value, int) and not name.startswith("_")
    }
    assert {registry.row(number).official_name for number in ids.values()} == set(ids)
    assert set(ProtoId.All_PushId) <= registry.PUSH_IDS


def test_a_word_and_its_number() -> None:
    assert KLType.K_DAY == "K_DAY"
    assert type(KLType.K_DAY) is str
    assert KLType.to_number(KLType.K_DAY) == (True, 2)
    assert KLType.to_string(2) == (True, "K_DAY")
    assert KLType.to_string2(2) == "K_DAY"
    assert KLType.if_has_key("K_DAY")
    assert KLType.get_all_key_list()[:3] == ["N/A", "K_1M", "K_3M"]
    assert KLType.get_all_keys().startswith("N/A,K_1M,K_3M,")


@pytest.mark.parametrize("word", ["K_2M", "", None, 2, ["K_DAY"]])
def test_what_is_no_word_has_no_number(word: object) -> None:
    done, message = KLType.to_number(word)
    assert not done
    assert repr(word) in str(message)
    assert "KLType" in str(message)
    assert not KLType.if_has_key(word)


@pytest.mark.parametrize("number", [-7, 999, "2", None, 2.0, [2]])
def test_what_is_no_number_has_no_word(number: object) -> None:
    done, message = KLType.to_string(number)
    assert not done
    assert repr(number) in message
    assert KLType.to_string2(number) == "N/A"


def test_the_last_of_several_words_names_a_number() -> None:
    assert MarketState.to_string2(27) == MarketState.ASHARE_AFTER_HOURS_WAIT
    assert MarketState.to_number(MarketState.STIB_AFTER_HOURS_WAIT) == (True, 27)
    assert OrderBookType.to_string2(0) == OrderBookType.NORMAL


def test_truth_values_are_numbers() -> None:
    assert EventSortDir.to_number(EventSortDir.DESCEND) == (True, False)
    assert EventSortDir.to_string2(True) == EventSortDir.ASCEND


def test_an_instance_has_dictionaries_of_its_own() -> None:
    first, second = Market(), Market()
    first.str_dic["HK"] = 5
    first.number_dic.clear()
    assert second.str_dic["HK"] == Market.load_dic(second)["HK"] == 1
    assert second.number_dic[1] == "HK"
    assert Market.to_number("HK") == (True, 1)


def test_a_member_without_a_number_is_no_key() -> None:
    assert RunMode().str_dic == {}
    assert not RunMode.if_has_key(RunMode.DEFAULT)


def test_a_class_of_the_users_own_states_its_numbers() -> None:
    class Colour(FtEnum):
        RED = "RED"
        BLUE = "BLUE"

        def load_dic(self) -> dict[str, int]:
            return {Colour.RED: 1, Colour.BLUE: 2}

    class Shade(Market):
        DARK = "DARK"

        def load_dic(self) -> dict[str, int]:
            return {**super().load_dic(), self.DARK: 7}

    assert Colour.to_number("BLUE") == (True, 2)
    assert Colour.to_string2(1) == "RED"
    assert Shade.to_string2(7) == "DARK"
    assert Shade.to_string2(1) == "HK"
    assert Market.to_string2(7) == "N/A"


def test_a_described_member() -> None:
    assert QotPushType.get_describe(QotPushType.PRICE)
    with pytest.raises(KeyError):
        QotPushType.get_describe("nothing")


def test_the_columns_of_klines() -> None:
    assert KL_FIELD.get_field_list("2,x,3,2") == ["2", "3", "2"]
    assert KL_FIELD.get_field_list("") == KL_FIELD.ALL_REAL
    assert KL_FIELD.normalize_field_list(["2", "x", "3", "2"]) == ["2", "3"]
    assert KL_FIELD.normalize_field_list("") == KL_FIELD.ALL_REAL
    assert KL_FIELD.normalize_field_list([KL_FIELD.ALL]) is not KL_FIELD.ALL_REAL
    assert KL_FIELD.kl_fields_to_flag_val([KL_FIELD.OPEN, KL_FIELD.HIGH]) == 3
    assert KL_FIELD.kl_fields_to_flag_val([KL_FIELD.ALL]) == 1023


def test_flags_are_counted_once() -> None:
    assert UserInfoField.fields_to_flag_val([UserInfoField.API, UserInfoField.API, 1]) == 3
    assert UserInfoField.fields_to_flag_val([]) == 0


def test_pushes_are_told_from_requests() -> None:
    assert ProtoId.is_proto_id_push(ProtoId.Qot_UpdateKL)
    assert not ProtoId.is_proto_id_push(ProtoId.Qot_GetKL)


def test_quote_markets_have_a_market_in_trading() -> None:
    for quote, trade in constants.QOT_MARKET_TO_TRD_SEC_MARKET_MAP.items():
        assert qot_common.QotMarket(quote).listed
        assert trd_common.TrdSecMarket(trade).listed
    assert set(constants.QOT_MARKET_TO_TRD_SEC_MARKET_MAP) == set(Market().number_dic)


@pytest.mark.parametrize(
    ("market", "environment", "together"),
    [("HK", "SIMULATE", True), ("CN", "REAL", False), ("SG", "SIMULATE", False), ("X", "", False)],
)
def test_markets_and_environments(market: str, environment: str, together: bool) -> None:
    assert constants.TRADE.check_mkt_envtype(market, environment) is together


def test_what_a_broker_calls_itself() -> None:
    assert constants.get_string_by_securityFirm("FUTUSG") == "Moomoo SG"
    assert constants.get_string_by_securityFirm("?") == "Unknown security"


def test_every_kline_subscription_has_a_period() -> None:
    assert set(constants.KLINE_SUBTYPE_LIST) == {*KLType.get_all_key_list()} - {KLType.NONE}


def test_the_modules_hold_the_classes_of_the_table() -> None:
    classes = futu_enums.load(TABLES / "enums.toml")
    numeric = {constants.name for constants in classes if constants.kind == "integers"}
    assert set(_screening.__all__) == numeric
    assert set(_enums.__all__) == {constants.name for constants in classes} - numeric


def test_every_public_constant_exists() -> None:
    public = futu_enums.names(TABLES / "names.toml", futu_enums.load(TABLES / "enums.toml")).public
    for name in public["constants"]:
        assert (
            any(hasattr(module, name) for module in (_enums, _screening, constants, FtEnum))
            or name == FtEnum.__name__
        )


Load = Callable[[str], tuple[futu_enums.Constants, ...]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str) -> tuple[futu_enums.Constants, ...]:
        path = tmp_path / "enums.toml"
        path.write_text(text, encoding="utf-8")
        return futu_enums.load(path)

    return load_text


def test_a_class_is_read(load: Load) -> None:
    (colour,) = load(
        '[Colour]\ndoc = "Paints."\nmembers = [["RED", "r"], ["PINK", "p"]]\n'
        'numbers = [["PINK", 1], ["RED", 1]]\ndata.all = ["r", "p"]\n'
    )
    assert colour.base == "FtEnum"
    assert list(colour.numbers) == ["p", "r"]
    assert colour.words == {1: "r"}
    assert colour.data == (("all", "list[str]", ["r", "p"]),)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[A\n", "enums.toml: "),
        ('[A]\ndoc = "x."\nvalues = []\n[A]\n', "enums.toml: "),
        ("a = 1\n", "a: stands outside of every table"),
        ("[a-b]\ndoc = 'x.'\nvalues = []\n", "a-b: is no name of a class"),
        ("[A]\nvalues = []\n", "A: doc must be one line"),
        ("[A]\ndoc = 'x.'\n", "A: needs one of members, integers, values"),
        ("[A]\ndoc = 'x.'\nvalues = []\nintegers = []\n", "A: needs one of"),
        ("[A]\ndoc = 'x.'\nvalues = []\ncolour = 1\n", "A: unknown key 'colour'"),
        ("[A]\ndoc = 'x.'\nmembers = []\n", "A: numbers and members belong together"),
        ("[A]\ndoc = 'x.'\nvalues = []\nbase = 'Nothing'\n", "'Nothing' is no base"),
        ("[A]\ndoc = 'x.'\nvalues = []\nbase = 'Described'\n", "'Described' is no base"),
        ("[A]\ndoc = 'x.'\nintegers = [['B', 'b']]\n", "lists of [attribute, value]"),
        ("[A]\ndoc = 'x.'\nvalues = [['B', 1], ['B', 2]]\n", "A: B: stands twice"),
        ("[A]\ndoc = 'x.'\nvalues = [['if', 1]]\n", "A: if: cannot be an attribute"),
        ("[A]\ndoc = 'x.'\nmembers = [['mro', 'b']]\nnumbers = []\n", "A: mro: cannot be"),
        (
            "[A]\ndoc = 'x.'\nmembers = [['B', 'b'], ['C', 'b']]\nnumbers = []\n",
            "A: 'b': is the word of two attributes",
        ),
        (
            "[A]\ndoc = 'x.'\nmembers = [['B', 'b']]\nnumbers = [['C', 1]]\n",
            "A: C: has a number but is no member",
        ),
        (
            "[A]\ndoc = 'x.'\nmembers = [['B', 'b']]\nnumbers = [['B', 1], ['B', 2]]\n",
            "A: B: has two numbers",
        ),
        (
            "[A]\ndoc = 'x.'\nmembers = [['B', 'b']]\nnumbers = [['B', 2147483648]]\n",
            "A: B: 2147483648 is no int32",
        ),
        ("[A]\ndoc = 'x.'\nvalues = []\ndata = 1\n", "A: data must be a table"),
        ("[A]\ndoc = 'x.'\nvalues = [['B', 1]]\ndata.B = 1\n", "A: data.B: cannot be"),
        ("[A]\ndoc = 'x.'\nvalues = []\ndata.b = [1, 'x']\n", "A: data.b: must be a number"),
    ],
)
def test_a_wrong_table_of_classes_is_refused(load: Load, text: str, fault: str) -> None:
    with pytest.raises(TableError) as refused:
        load(text)
    assert fault in str(refused.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError):
        futu_enums.load(tmp_path / "enums.toml")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[public]\n", "[left_out]: is missing"),
        ("[public]\n[left_out]\n[more]\n", "[more]: unknown"),
        ("[public]\na = ['b', 'b-c']\n[left_out]\n", "[public] a: is no list of names"),
        ("[public]\na = ['b']\n[left_out]\nc = ['b']\n", "b: stands twice"),
        ("[public]\na = ['A']\n[left_out]\n", "A: stands twice"),
    ],
)
def test_a_wrong_list_of_names_is_refused(
    load: Load, tmp_path: Path, text: str, fault: str
) -> None:
    path = tmp_path / "names.toml"
    path.write_text(text, encoding="utf-8")
    classes = load("[A]\ndoc = 'x.'\nvalues = []\n")
    with pytest.raises(TableError) as refused:
        futu_enums.names(path, classes)
    assert fault in str(refused.value)


def test_the_exported_names_are_sorted_and_hold_the_classes(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "names.toml"
    path.write_text("[public]\na = ['b']\n[left_out]\nmodule = ['os']\n", encoding="utf-8")
    found = futu_enums.names(path, load("[C]\ndoc = 'x.'\nvalues = []\n"))
    assert found.exported == ("C", "b")
    assert dict[str, Any](found.left_out) == {"module": ("os",)}
