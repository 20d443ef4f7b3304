"""Clusters of local Ray nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one processor each on this machine; a lost one is noticed within a second."""
    from ray.cluster_utils import Cluster

    nodes = {"num_cpus": 1, "object_store_memory": 80 * MEGABYTE, "include_dashboard": False}
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 200, "health_check_failure_threshold": 5}
    cluster = Cluster(initialize_head=True, head_node_args={**nodes, "_system_config": quick})
    cluster.add_node(**nodes)
    cluster.add_node(**nodes)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
