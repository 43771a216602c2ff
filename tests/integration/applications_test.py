"""Real applications, unmodified, on the default settings: job queues with their workers, sessions
of web applications, locks, and what programs do with their client libraries."""
import importlib.util
import shutil

import redis

from harness import ROOT, Server, Skipped, check_equal, main, run
from node_packages import node

APPLICATIONS = ROOT / "tests/integration/apps"


def need(there, package):
    if not there:
        raise Skipped(f"{package} is missing: run scripts/deps.sh")


def application(name, interpreter="/usr/bin/python3"):
    with Server() as server:
        out = run(interpreter, name, server.port, cwd=APPLICATIONS)
        check_equal(out.strip().splitlines()[-1], f"{name}: ok")
        for db in (0, 1):
            check_equal(redis.Redis(port=server.port, db=db).dbsize(), 0, f"keys left in {db}")


def test_bullmq_over_ioredis():
    node("bullmq.mjs", "ioredis")


def test_bullmq_over_node_redis():
    node("bullmq.mjs", "redis")


def test_express_sessions():
    node("sessions.mjs")


def test_redlock():
    node("redlock.mjs")


def test_ioredis():
    node("ioredis_more.mjs")


def test_node_redis_cache():
    node("node_redis_cache.mjs")


def test_python_redis():
    application("python_redis_app.py")


def test_rq():
    need(importlib.util.find_spec("rq"), "python3-rq")
    application("rq_app.py")


def test_celery():
    need(importlib.util.find_spec("celery"), "python3-celery")
    application("celery_app.py")


def test_sidekiq():
    need(shutil.which("sidekiq"), "ruby-sidekiq")
    application("sidekiq_app.rb", interpreter="ruby")


if __name__ == "__main__":
    main(globals())
