"""kill -9 under load: 20 rounds, every acknowledged write is there, no half of an MSET."""
import pathlib
import subprocess
import sys

from harness import ROOT, check, main


def test_kill_rounds():
    done = subprocess.run([sys.executable, str(ROOT / "tests/crash/kill_rounds.py"),
                           "--rounds", "20"], capture_output=True, text=True, timeout=300)
    check(done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:])


if __name__ == "__main__":
    main(globals())
