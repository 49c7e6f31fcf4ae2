"""What the scripts that measure share: servers to start, the load on them, the page the results go to."""
import atexit
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/couronne"
EC = ["--drives", "6", "--policy", "ec:4+2"]
GB, OPS = "cpu_seconds_per_gb", "cpu_seconds_per_1000_operations"
KEYS = ("AK" + "0" * 18, "secret" + "0" * 34)

# What servers log unless told otherwise, without the line for each request.
NO_ACCESS_LOG = "info,openraft=error,couronne::access=off"


class Couronne:
    """A server on a new data folder. It logs as a user's does, to a file beside its data, unless `log` says what."""

    def __init__(self, flags, folder, log=None):
        self.data = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.flags, self.log = flags, log
        self.start()

    def start(self):
        words = [BINARY, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", *self.flags]
        env = {**without_log_filter(), "COURONNE_ACCESS_KEY": KEYS[0], "COURONNE_SECRET_KEY": KEYS[1]}
        if self.log:
            env["COURONNE_LOG"] = self.log
        began = time.monotonic()
        with open(self.data / "log", "ab") as log:
            self.process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=log)
        atexit.register(abandon, self.process, self.data)
        while True:
            try:
                server = json.loads((self.data / "server.json").read_text())
                if server["pid"] == self.process.pid:
                    break
            except (OSError, ValueError):
                pass
            if self.process.poll() is not None or time.monotonic() - began > 60:
                raise SystemExit("the server does not start")
            time.sleep(0.01)
        self.ready_s = time.monotonic() - began
        self.endpoint = "http://" + server["s3"]

    def pids(self):
        return [self.process.pid]

    def memory(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1000

    def end(self, how=signal.SIGTERM, keep=False):
        self.process.send_signal(how)
        self.process.wait(60)
        if not keep:
            shutil.rmtree(self.data)


class Garage:
    """Garage as one node with one copy and both fsync settings on."""

    def __init__(self, binary, folder):
        self.data = pathlib.Path(tempfile.mkdtemp(dir=folder))
        ports = [free_port() for _ in range(2)]
        (self.data / "garage.toml").write_text(f"""
metadata_dir = "{self.data}/meta"
data_dir = "{self.data}/data"
db_engine = "lmdb"
metadata_fsync = true
data_fsync = true
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{ports[1]}"
rpc_public_addr = "127.0.0.1:{ports[1]}"
rpc_secret = "{os.urandom(32).hex()}"
[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:{ports[0]}"
root_domain = ".s3.garage"
""")
        self.command = [binary, "-c", self.data / "garage.toml"]
        env = {**os.environ, "RUST_LOG": "error"}
        self.process = subprocess.Popen([*self.command, "server"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(abandon, self.process, self.data)
        time.sleep(3)
        node = self.run("node", "id", "-q").split("@")[0]
        self.run("layout", "assign", "-z", "z", "-c", "100G", node)
        self.run("layout", "apply", "--version", "1")
        key = self.run("key", "create", "bench")
        self.keys = (re.search(r"(GK\w+)", key)[1], re.search(r"Secret key:\s+(\w+)", key)[1])
        self.run("key", "allow", "--create-bucket", "bench")
        self.endpoint = f"http://127.0.0.1:{ports[0]}"

    def pids(self):
        return [self.process.pid]

    def run(self, *words):
        return subprocess.run([*self.command, *words], check=True, capture_output=True, text=True).stdout

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.data)


def without_log_filter():
    """The environment, but for a variable that would make servers log otherwise than by default."""
    return {name: value for name, value in os.environ.items() if name != "COURONNE_LOG"}


def abandon(process, data):
    """Leaves neither a server nor its data behind, however the script ends."""
    if process.poll() is None:
        process.kill()
        process.wait()
    shutil.rmtree(data, ignore_errors=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bench(server, keys, words, seconds, extra=()):
    """Runs `couronne bench` against a server and returns its report."""
    pids = [word for pid in server.pids() for word in ("--pid", str(pid))]
    line = [BINARY, "bench", *words.split(), "--endpoint", server.endpoint, *pids, "--json", "--keep",
            "--duration", str(seconds), *(extra or ["--warm-up", "2"])]
    env = {**os.environ, "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
    done = subprocess.run(line, env=env, capture_output=True, text=True)
    # A run with failed operations still reports; the table shows them beside the row's name.
    if not done.stdout.startswith("{"):
        raise SystemExit(f"{' '.join(map(str, line))}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def fill(server, keys, count):
    """Puts the keys that a later listing walks, many at a time."""
    bench(server, keys, f"head --size 0 --concurrency 64 --objects {count}", 1, ["--warm-up", "0", "--operations", "1"])


def write_section(title, lines):
    """Puts a section into docs/benchmarks.md, in place of the one of that title."""
    page = ROOT / "docs/benchmarks.md"
    head, *sections = page.read_text().split("\n## ")
    sections = {section.split("\n", 1)[0]: section for section in sections}
    sections[title] = f"{title}\n\n" + "\n".join([*machine(), "", *lines])
    page.write_text("\n## ".join(section.rstrip() + "\n" for section in [head, *sections.values()]))


def machine():
    """Where and when something was measured."""
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    cpu = re.search(r"model name\s+: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return [f"- machine: {os.cpu_count()} x {cpu[1] if cpu else platform.machine()}, Linux {platform.release()}",
            f"- commit: {commit}", f"- date: {datetime.date.today()}"]
