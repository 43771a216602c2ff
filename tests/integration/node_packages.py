"""The Node.js packages of tests/integration/node, in the versions of its package-lock.json."""
import functools
import re
import shutil
import subprocess

from harness import ROOT, Failed, Server, Skipped, check_equal, run

NODE_DIRECTORY = ROOT / "tests/integration/node"
NETWORK = {"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH",
           "ENETUNREACH", "ENOTCACHED", "ERR_SOCKET_TIMEOUT", "FETCH_ERROR"}


@functools.cache
def install():
    """Installs them unless these very versions are there. Gives what keeps npm from it, or None."""
    lock = (NODE_DIRECTORY / "package-lock.json").read_bytes()
    installed = NODE_DIRECTORY / "node_modules/installed-lock.json"
    if installed.exists() and installed.read_bytes() == lock:
        return None
    if not shutil.which("npm"):
        return "npm is missing: run scripts/deps.sh"
    # Not `npm ci`: it asks for optional packages of other platforms, which not every registry has.
    command = ["npm", "install", "--no-save", "--omit=optional", "--ignore-scripts", "--no-audit",
               "--no-fund", "--fetch-timeout=20000", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=NODE_DIRECTORY, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        code = re.search(r"^npm (?:error|ERR!) code (\w+)", done.stderr, re.MULTILINE)
        if code and code[1] in NETWORK:
            return f"npm does not reach its registry: {code[1]}"
        raise Failed(f"{' '.join(command)}: {done.stderr[-1000:]}")
    installed.write_bytes(lock)
    return None


def node_at(port, script, *arguments):
    """Runs a script with that port."""
    if missing := install():
        raise Skipped(missing)
    out = run("node", script, port, *arguments, cwd=NODE_DIRECTORY)
    check_equal(out.strip().splitlines()[-1], f"{script}: ok")


def node(script, *arguments):
    """Runs a script with the port of a server of its own."""
    with Server() as server:
        node_at(server.port, script, *arguments)
