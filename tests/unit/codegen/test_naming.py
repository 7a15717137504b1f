"""Names: the rules, the exceptions, and what happens when two names meet."""

from __future__ import annotations

import pytest

from codegen.naming import NameCollisionError, Naming, require_distinct, snake_case

NAMING = Naming.load()


@pytest.mark.parametrize(
    ("proto_name", "attribute"),
    [
        ("lastClosePrice", "last_close_price"),
        ("changeRate5Min", "change_rate_5min"),
        ("highest52WeeksPrice", "highest_52weeks_price"),
        ("volume_24h", "volume_24h"),
        ("avgPlus1Stddev", "avg_plus_1stddev"),
        ("orderIDExList", "order_id_ex_list"),
        ("maxAckKLNum", "max_ack_kl_num"),
        ("peTTMRate", "pe_ttm_rate"),
        ("td_plVal", "td_pl_val"),
        ("isAppNNOrMM", "is_app_nn_or_mm"),
        ("filterPLRatioMin", "filter_pl_ratio_min"),
        ("aesCBCiv", "aes_cbc_iv"),
        ("connAESKey", "conn_aes_key"),
        ("openDCost", "opend_cost"),
        ("usedKLineQuota", "used_kline_quota"),
        ("IV", "iv"),
        ("pwdMD5", "pwd_md5"),
        ("c2s", "c2s"),
        ("from", "from_"),
    ],
)
def test_attribute_follows_the_rules_and_the_exceptions(proto_name: str, attribute: str) -> None:
    assert NAMING.attribute(proto_name) == attribute


@pytest.mark.parametrize(
    ("enum", "value", "member"),
    [
        ("KLType", "KLType_1Min", "K_1MIN"),
        ("SubType", "SubType_KL_Qurater", "KL_QURATER"),
        ("F10Type", "F10Type_Q1", "Q1"),
        ("PriceReminderType", "PriceReminderType_5MinChangeRateUp", "N_5MIN_CHANGE_RATE_UP"),
        ("OptionImpvolStatusType", "ImpvolFluctuating", "IMPVOL_FLUCTUATING"),
        ("RetType", "RetType_DisConnect", "DIS_CONNECT"),
    ],
)
def test_member_strips_the_prefix_and_keeps_the_spelling(
    enum: str, value: str, member: str
) -> None:
    assert NAMING.member(enum, value) == member


@pytest.mark.parametrize(
    ("proto_name", "method"),
    [
        ("Qot_GetKL", "get_kl"),
        ("Trd_PlaceOrder", "place_order"),
        ("GetGlobalState", "get_global_state"),
        ("SkillWrap_TechnicalUnusual", "technical_unusual"),
    ],
)
def test_method_drops_the_prefix_of_its_group(proto_name: str, method: str) -> None:
    assert NAMING.method(proto_name) == method


def test_snake_case_is_stable_on_its_own_output() -> None:
    for name in ("changeRate5Min", "orderIDEx", "td_plVal"):
        assert snake_case(snake_case(name)) == snake_case(name)


def test_two_names_that_become_one_are_refused_with_both_names() -> None:
    with pytest.raises(
        NameCollisionError, match=r"Qot_X\.C2S: 'orderID' and 'order_id' both become"
    ):
        require_distinct("Qot_X.C2S", {"orderID": "order_id", "order_id": "order_id"})
