"""The costs on the wire in docs/costs.md are those of the engines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.stores.bench import DynamoDBBench, row
from tools.costs import READ_UNIT, WRITE_UNIT, units
from tools.wire_costs import ENGINES, MILLION_WIRE, PAGE, WIRE, lines_of, million, table

from valetkey.effects import Key
from valetkey.stores.dynamodb import _attributes, _key_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE = 0.05  # heads of HTTP differ a little between versions of Node.js


def figures(line: str) -> tuple[str, list[int]]:
    _, engine, name, *cells, _ = (cell.strip() for cell in line.split("|"))
    return f"{engine}: {name}", [int(cell.replace(",", "") or 0) for cell in cells]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_document_says_what_goes_to_each_engine(engine: str) -> None:
    said = dict(figures(line) for line in table(PAGE.read_text(), WIRE))

    counted = dict(figures(line) for line in lines_of(engine))

    assert counted.keys() == {name for name in said if name.startswith(f"{engine}:")}
    for name, (requests, *octets) in counted.items():
        assert requests == said[name][0], f"{name}: run make docs ENGINES=1"
        assert octets == pytest.approx(said[name][1:], rel=TOLERANCE), f"{name}: run make docs ENGINES=1"
    assert counted[f"{engine}: a call in a process that has the token (30 s)"][0] == 0


def test_a_million_connections_are_the_figures_of_one() -> None:
    page = PAGE.read_text()

    assert table(page, MILLION_WIRE) == million(table(page, WIRE)), "run make docs ENGINES=1"


@pytest.mark.parametrize("octets", [0, 700, 1100, 3800, 4200, 11_000])
def test_capacity_units_are_those_that_dynamodb_says(dynalite_table: tuple[str, str], octets: int) -> None:
    bench = DynamoDBBench(*dynalite_table)
    clear: dict[str, str | int] = {"state": "active", "generation": 12, "refreshed_at": 1_800_000_000}
    mine = row(Key("f" * 64, "connection"), clear, sealed=os.urandom(octets), expires_at=1_800_003_600)

    def said(operation: str, **given: object) -> float:
        content: Mapping[str, object] = {"TableName": bench.store.table, "ReturnConsumedCapacity": "TOTAL", **given}
        answer = bench.perform(bench.store._wire.ask(operation, content))
        assert not answer.error
        consumed: float = answer.content["ConsumedCapacity"]["CapacityUnits"]
        return consumed

    assert said("PutItem", Item=_attributes(mine)) == units([mine], WRITE_UNIT)
    assert said("GetItem", Key=_key_attributes(mine.key), ConsistentRead=True) == units([mine], READ_UNIT)
