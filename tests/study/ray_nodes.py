"""Two Ray nodes on this machine: says their address; `node` or `head` ends that one."""

from __future__ import annotations

import os
import sys

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    one = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=one)
    node = cluster.add_node(num_cpus=1)
    sys.stderr.write(f"{cluster.address}\n")
    sys.stderr.flush()
    for which in sys.stdin:
        if which == "node\n":
            cluster.remove_node(node, allow_graceful=False)
        else:
            cluster.head_node.kill_gcs_server()
    for each in (cluster.head_node, node):
        each.kill_all_processes(check_alive=False)
    os._exit(0)
