"""What a cluster counts, and that a house without clusters has nothing of it."""

from __future__ import annotations

import subprocess
import sys
import urllib.request

from tests.services.dax.conftest import make_role


def test_a_house_without_clusters_reads_nothing_of_the_protocol():
    """Neither by starting nor by the API's other operations."""
    program = (
        "import sys\n"
        "from tests.cloud import Cloud\n"
        "cloud = Cloud()\n"
        "cloud.client('dax').create_parameter_group(ParameterGroupName='g')\n"
        "assert cloud.client('dax').describe_clusters()['Clusters'] == []\n"
        "cloud.settle()\n"
        "read = [name for name in sys.modules if name.startswith('serein.wire.dax')]\n"
        "assert not read, read\n"
        "cloud.close()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_hits_and_misses_are_told(running):
    dynamodb = running.client("dynamodb")
    dynamodb.create_table(
        TableName="figures",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    endpoint = running.make_cluster("figures", make_role(running.client("iam"), "dax-figures"))
    with running.dax(endpoint) as client:
        for _ in range(3):
            client.get_item(TableName="figures", Key={"k": {"S": "a"}})
            client.scan(TableName="figures")
    with urllib.request.urlopen(f"{running.serein.endpoint}/_serein/metrics") as answer:
        told = answer.read().decode()
    arn = "arn:aws:dax:us-east-1:000000000000:cache/figures"
    for kind in ("item", "query"):
        assert f'serein_dax_hits_total{{cluster="{arn}",cache="{kind}"}} 2' in told
        assert f'serein_dax_misses_total{{cluster="{arn}",cache="{kind}"}} 1' in told
