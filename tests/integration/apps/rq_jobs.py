"""Jobs for RQ's workers (see rq_app.py)."""
import time

import redis
import rq


def add(a, b):
    return a + b


def fail():
    raise ValueError("on purpose")


def succeed_at_third():
    """Fails twice; how often it ran is counted on the server."""
    job = rq.get_current_job()
    times = job.connection.incr(f"runs:{job.id}")
    if times < 3:
        raise RuntimeError(f"run {times}")
    return times


def sum_of_dependencies():
    job = rq.get_current_job()
    return sum(each.result for each in job.fetch_dependencies())


def with_meta(value):
    job = rq.get_current_job()
    job.meta["seen"] = value
    job.save_meta()
    return time.time()


def on_success(job, connection, result):
    connection.hset("succeeded", job.id, result)


def on_failure(job, connection, kind, error, trace):
    connection.hset("failed", job.id, str(error))


def connect(port):
    return redis.Redis(port=port)
