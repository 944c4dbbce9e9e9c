"""Two Ray nodes on this machine: says their address; a line ends the second one."""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    one = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=one)
    node = cluster.add_node(num_cpus=1)
    sys.stderr.write(f"{cluster.address}\n")
    sys.stderr.flush()
    if sys.stdin.readline():
        cluster.remove_node(node, allow_graceful=False)
        sys.stdin.readline()
    cluster.shutdown()
