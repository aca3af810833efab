"""Hosts that are network namespaces of this machine, with links of a given rate, and mpirun over them.

Each has two interfaces: `data` on a bridge, shaped both ways, which MPI's messages take, and `control` on another,
which Open MPI's launcher takes. What runs there runs under the host's name, so that Open MPI takes them for several
machines; memory is not shared. Needs root, iproute2 and Open MPI.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile

DATA, CONTROL = "10.97.0", "10.98.0"
AGENT = """#!/bin/sh
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
"""


def missing():
    """What keeps this machine from having such hosts, as text; None: nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program, package in (("ip", "iproute2"), ("tc", "iproute2"), ("mpirun.openmpi", "openmpi-bin")):
        if not shutil.which(program):
            return f"{program} is not installed (Debian: {package})"
    return None


def do(words):
    ended = subprocess.run(words.split(), capture_output=True, text=True)
    if ended.returncode:
        raise OSError(f"{words}: {ended.stderr.strip()}")


class Hosts:
    """with Hosts(4) as hosts: hosts.shape("1gbit"); subprocess.run(hosts.mpirun(4) + ["clade", …])"""

    def __init__(self, count):
        self.names = [f"clade{i + 1}" for i in range(count)]
        self.bridges = {"data": f"{self.names[0]}data", "control": f"{self.names[0]}ctl"}

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="clade-hosts-")
        self.agent = pathlib.Path(self.folder.name) / "agent"
        self.agent.write_text(AGENT)
        self.agent.chmod(0o755)
        do(f"ip link add {self.bridges['data']} type bridge")  # refused while others use these names
        try:
            self.make()
        except OSError:
            self.__exit__()
            raise
        return self

    def make(self):
        do(f"ip link add {self.bridges['control']} type bridge")
        for bridge in self.bridges.values():
            do(f"ip link set {bridge} up")
        do(f"ip addr add {CONTROL}.254/24 dev {self.bridges['control']}")
        for i, host in enumerate(self.names):
            do(f"ip netns add {host}")
            do(f"ip -n {host} link set lo up")
            for link, subnet in (("data", DATA), ("control", CONTROL)):
                do(f"ip link add {host}.{link} type veth peer name {link} netns {host}")
                do(f"ip link set {host}.{link} master {self.bridges[link]} up")
                do(f"ip -n {host} addr add {subnet}.{i + 1}/24 dev {link}")
                do(f"ip -n {host} link set {link} up")

    def __exit__(self, *_):
        links = [f"{host}.{link}" for host in self.names for link in self.bridges]  # a namespace may outlive its name
        for link in [*links, *self.bridges.values()]:
            subprocess.run(["ip", "link", "del", link], stderr=subprocess.DEVNULL)
        for host in self.names:
            subprocess.run(["ip", "netns", "del", host], stderr=subprocess.DEVNULL)
        self.folder.cleanup()

    def shape(self, rate):
        """Each host sends and receives at most so much, as tc writes it (1gbit); None: as fast as it goes."""
        for host in self.names:
            for at, link in (([f"ip netns exec {host} tc"], "data"), (["tc"], f"{host}.data")):
                if rate is None:
                    subprocess.run(f"{at[0]} qdisc del dev {link} root".split(), stderr=subprocess.DEVNULL)
                else:
                    do(f"{at[0]} qdisc replace dev {link} root tbf rate {rate} burst 256kb latency 100ms")

    def cut(self, host, up=False):
        """Takes a host's links down, or up again."""
        for link in ("data", "control"):
            do(f"ip link set {host}.{link} {'up' if up else 'down'}")

    def run_in(self, host):
        return ["ip", "netns", "exec", host]

    def mpirun(self, ranks):
        """The words before the program, for one rank on each of the first hosts."""
        words = ["mpirun.openmpi", "--allow-run-as-root", "--bind-to", "none", "--host",
                 ",".join(self.names[:ranks]), "-n", str(ranks)]
        options = {"plm_rsh_agent": self.agent, "plm_rsh_no_tree_spawn": "1", "oob_tcp_if_include": f"{CONTROL}.0/24",
                   "pml": "ob1", "btl": "tcp,self", "btl_tcp_if_include": f"{DATA}.0/24"}
        return words + [str(word) for name, value in options.items() for word in ("--mca", name, value)]
