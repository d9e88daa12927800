"""PynamoDB: models with indexes, conditions, updates, batches, transactions, time to live, over real HTTP.

https://pynamodb.readthedocs.io/en/stable/ says what each of its calls does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningSerein

pynamodb = pytest.importorskip("pynamodb", reason="PynamoDB is not installed")

from pynamodb.attributes import (  # noqa: E402
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    UTCDateTimeAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection  # noqa: E402
from pynamodb.exceptions import (  # noqa: E402
    DeleteError,
    DoesNotExist,
    PutError,
    TableDoesNotExist,
    TransactWriteError,
    UpdateError,
)
from pynamodb.indexes import (  # noqa: E402
    AllProjection,
    GlobalSecondaryIndex,
    IncludeProjection,
    LocalSecondaryIndex,
)
from pynamodb.models import Model  # noqa: E402
from pynamodb.transactions import TransactGet, TransactWrite  # noqa: E402

pytestmark = pytest.mark.clients
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ByState(GlobalSecondaryIndex):  # type: ignore[type-arg]
    class Meta:
        index_name = "by-state"
        projection = AllProjection()
        read_capacity_units = write_capacity_units = 1

    state = UnicodeAttribute(hash_key=True)
    total = NumberAttribute(range_key=True)


class ByTime(LocalSecondaryIndex):  # type: ignore[type-arg]
    class Meta:
        index_name = "by-time"
        projection = IncludeProjection(["total"])

    customer = UnicodeAttribute(hash_key=True)
    placed_at = UTCDateTimeAttribute(range_key=True)


class Address(MapAttribute):  # type: ignore[type-arg]
    street = UnicodeAttribute()
    number = NumberAttribute(null=True)


class Order(Model):
    class Meta:
        table_name = "orders"
        region = "us-east-1"
        host = ""
        billing_mode = "PAY_PER_REQUEST"

    customer = UnicodeAttribute(hash_key=True)
    id = NumberAttribute(range_key=True)
    state = UnicodeAttribute(default="open")
    total = NumberAttribute(default=0)
    placed_at = UTCDateTimeAttribute(null=True)
    tags = UnicodeSetAttribute(null=True)
    lines = ListAttribute(null=True)
    address = Address(null=True)
    extra = JSONAttribute(null=True)
    expires = TTLAttribute(null=True)
    version = VersionAttribute()
    by_state = ByState()
    by_time = ByTime()


@pytest.fixture(scope="module")
def serein(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSerein]:
    with RunningSerein(Path(tmp_path_factory.mktemp("pynamodb"))) as running:
        yield running


@pytest.fixture(autouse=True)
def connected(serein: RunningSerein, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's connection is to this Serein, with credentials from the environment."""
    for name, value in serein.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    meta: Any = Order.Meta
    meta.host = serein.endpoint
    Order._connection = None


@pytest.fixture
def orders() -> Iterator[type[Order]]:
    assert not Order.exists()
    Order.create_table(wait=True)
    yield Order
    Order.delete_table(wait=True)


def placed(customer: str, id: int, **more: Any) -> Order:
    order = Order(customer, id, **more)
    order.save()
    return order


def test_the_table_is_as_the_model_says(orders: type[Order]) -> None:
    told = orders.describe_table()
    assert told["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [one["IndexName"] for one in told["LocalSecondaryIndexes"]] == ["by-time"]
    assert [one["IndexName"] for one in told["GlobalSecondaryIndexes"]] == ["by-state"]
    ttl = orders._get_connection().connection.client.describe_time_to_live(TableName="orders")
    assert ttl["TimeToLiveDescription"]["AttributeName"] == "expires"


def test_every_kind_of_attribute_comes_back(orders: type[Order]) -> None:
    placed(
        "ann",
        1,
        total=12.5,
        placed_at=NOW,
        tags={"blue", "new"},
        lines=[{"sku": "a", "count": 2}, 3, None, True],
        address=Address(street="Elm", number=7),
        extra={"deep": [1, {"x": None}]},
        expires=timedelta(days=1),
    )
    found = orders.get("ann", 1, consistent_read=True)
    assert (found.total, found.placed_at, found.tags) == (12.5, NOW, {"blue", "new"})
    assert found.address is not None
    assert (found.address.street, found.address.number) == ("Elm", 7)
    assert found.extra == {"deep": [1, {"x": None}]}
    assert found.version == 1
    with pytest.raises(DoesNotExist):
        orders.get("ann", 2)


def test_conditions_and_versions(orders: type[Order]) -> None:
    first = placed("ann", 1)
    with pytest.raises(PutError) as refused:
        Order("ann", 1).save(condition=Order.customer.does_not_exist())
    assert refused.value.cause_response_code == "ConditionalCheckFailedException"
    stale = orders.get("ann", 1)
    first.update(actions=[Order.total.add(5), Order.tags.set({"x"})])
    with pytest.raises(UpdateError):
        stale.update(actions=[Order.total.set(1)])
    with pytest.raises(DeleteError):
        stale.delete()
    first.refresh()
    assert (first.total, first.tags, first.version) == (5, {"x"}, 2)
    first.update(
        actions=[
            Order.lines.set((Order.lines | []).append([{"sku": "a"}])),
            Order.address.set(Address(street="Oak")),
            Order.tags.delete({"x"}),
            Order.total.set(Order.total + 1),
        ],
        condition=(Order.total >= 5) & Order.state.startswith("op") & ~Order.extra.exists(),
    )
    assert (first.total, first.tags) == (6, None)
    first.update(actions=[Order.address.street.set("Fir"), Order.lines[0].remove()])
    found = orders.get("ann", 1)
    assert found.address is not None
    assert (found.address.street, found.lines) == ("Fir", [])


def test_queries_scans_and_indexes(orders: type[Order]) -> None:
    with orders.batch_write() as batch:
        for number in range(60):
            state = "open" if number % 3 else "done"
            at = NOW + timedelta(minutes=60 - number)
            batch.save(Order("ann", number, state=state, total=number, placed_at=at))
        batch.delete(Order("bob", 1))
    mine = orders.query("ann", Order.id.between(10, 29), page_size=7, scan_index_forward=False)
    assert [order.id for order in mine] == list(range(29, 9, -1))
    assert orders.count("ann", filter_condition=Order.state == "done") == 20
    done = orders.by_state.query("done", Order.total > 50, limit=2)
    assert [order.id for order in done] == [51, 54]
    # It says where it stopped.
    assert done.last_evaluated_key is not None
    more = orders.by_state.query(
        "done", Order.total > 50, last_evaluated_key=done.last_evaluated_key
    )
    assert [order.id for order in more] == [57]
    latest = orders.by_time.query("ann", scan_index_forward=False, limit=1)
    assert [order.id for order in latest] == [0]
    few = orders.scan(Order.total.is_in(1, 2) | Order.tags.exists(), attributes_to_get=["id"])
    assert sorted(order.id for order in few) == [1, 2]
    by_segment = [
        order.id
        for segment in range(3)
        for order in orders.scan(segment=segment, total_segments=3, page_size=9)
    ]
    assert sorted(by_segment) == list(range(60))
    several = orders.batch_get([("ann", number) for number in range(0, 150, 1)])
    assert sorted(order.id for order in several) == list(range(60))


def test_transactions(serein: RunningSerein, orders: type[Order]) -> None:
    placed("ann", 1, total=10)
    placed("bob", 1, total=0)
    connection = Connection(region="us-east-1", host=serein.endpoint)
    with TransactWrite(connection=connection, client_request_token="t1") as transaction:
        transaction.update(Order("ann", 1, version=1), actions=[Order.total.add(-4)])
        transaction.update(Order("bob", 1, version=1), actions=[Order.total.add(4)])
        transaction.save(Order("eve", 1))
    with TransactGet(connection=connection) as transaction:
        ann, bob = transaction.get(Order, "ann", 1), transaction.get(Order, "bob", 1)
    assert (ann.get().total, bob.get().total) == (6, 4)
    transaction = TransactWrite(connection=connection)
    transaction.condition_check(Order, "ann", 1, condition=Order.total >= 100)
    transaction.delete(Order("eve", 1, version=1))
    with pytest.raises(TransactWriteError) as refused:
        transaction._commit()
    codes = [reason and reason.code for reason in refused.value.cancellation_reasons]
    assert codes == ["ConditionalCheckFailed", None]
    assert orders.get("eve", 1).version == 1


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(TableDoesNotExist):
        Order.describe_table()
    with pytest.raises(PutError, match="ResourceNotFoundException"):
        Order("a", 1).save()
