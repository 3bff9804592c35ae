"""What the benchmarks share: building the C programs, starting servers, the load of others, the lines they print."""
import json, os, platform, resource, socket, subprocess, sys, tempfile, time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
products = os.path.join(root, ".build", "release")
work = tempfile.mkdtemp(prefix="omniway-bench-")


def compile_c(source, *libraries):
    binary = os.path.join(work, os.path.basename(source)[:-2])
    subprocess.run(["gcc", "-O2", "-Wall", "-pthread", "-o", binary, os.path.join(root, source), *libraries], check=True)
    return binary


def headline(question):
    commit = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    print(f"# {question}")
    print(f"# commit {commit or 'none'}, {os.cpu_count()} × {cpu}, Linux {platform.release()}, ulimit -n {descriptors()}")
    sys.stdout.flush()


def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A program for the time of a `with`, on a port of its own, on one core if `core` says which."""

    def __init__(self, command, core=None, wrap=(), env=None):
        self.port = free_port()
        pin = ["taskset", "-c", str(core)] if core is not None else []
        self.process = subprocess.Popen(
            [*pin, *wrap, *[c.replace("PORT", str(self.port)) for c in command]],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)

    def __enter__(self):
        for _ in range(2000):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"bench: the server ended at once: {self.process.args}")
                time.sleep(0.01)
        sys.exit("bench: the server does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    @property
    def pid(self):
        return self.process.pid


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ForeignLoad:
    """Cores that everybody else used meanwhile."""

    @staticmethod
    def _busy():
        values = [int(v) for v in open("/proc/stat").readline().split()[1:]]
        return (sum(values[:3]) + sum(values[5:8])) / os.sysconf("SC_CLK_TCK")

    def start(self):
        self.busy, self.at = self._busy(), time.monotonic()

    def stop(self, ours):
        return max(0.0, (self._busy() - self.busy - ours) / (time.monotonic() - self.at))


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])
