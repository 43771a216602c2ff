"""Celery with a real worker against a server. Usage: celery_app.py PORT. Fails by an exception."""
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
os.environ["HOLDFAST_URL"] = f"redis://127.0.0.1:{sys.argv[1]}"

import celery  # noqa: E402
import redis  # noqa: E402

import celery_tasks as tasks  # noqa: E402


def until(what, condition):
    end = time.monotonic() + 30
    while not condition():
        assert worker.poll() is None, "the worker ended"
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def get(result):
    return result.get(timeout=30)


server = redis.Redis(port=int(sys.argv[1]))
worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "-q", "-A", "celery_tasks", "worker", "--concurrency=2",
     "--loglevel=ERROR"],
    cwd=HERE, env=os.environ)
try:
    inspect = tasks.app.control.inspect(timeout=0.5)
    until("the worker", inspect.ping)  # over the broker's fanout exchange
    results = [tasks.add.delay(i, 1) for i in range(150)]
    assert [get(r) for r in results] == list(range(1, 151))
    assert get(celery.chain(tasks.add.s(1, 2), tasks.add.s(4), tasks.add.s(8))()) == 15
    group = celery.group(tasks.add.s(i, i) for i in range(20))()
    assert group.get(timeout=30) == [2 * i for i in range(20)]
    chord = celery.chord((tasks.add.s(i, i) for i in range(30)), tasks.total.s())
    assert get(chord()) == 870
    assert get(tasks.third_time.delay()) == 2
    assert get(tasks.progress.delay()) == "whole"
    failed = tasks.fail.delay()
    try:
        get(failed)
        raise AssertionError("the task did not fail")
    except ValueError as error:
        assert str(error) == "on purpose"
    assert failed.state == "FAILURE"
    start = time.monotonic()
    assert get(tasks.add.apply_async((1, 1), countdown=0.5)) == 2
    assert time.monotonic() - start >= 0.4
    late = tasks.add.apply_async((1, 1), countdown=1000)
    until("it waits", lambda: sum(map(len, (inspect.scheduled() or {}).values())) == 1)
    late.revoke()
    until("it is revoked", lambda: late.id in sum((inspect.revoked() or {}).values(), []))
    for result in results:
        result.forget()
    backend = redis.Redis(port=int(sys.argv[1]), db=1)
    assert not backend.exists(f"celery-task-meta-{results[0].id}")
    assert 500 < backend.ttl(f"celery-task-meta-{failed.id}") <= 600
    worker.terminate()
    assert worker.wait(30) == 0, "exit of the worker"
    # Nobody takes them: they stay in the queue, and are thrown away.
    for i in range(20):
        tasks.add.delay(i, i)
    assert server.llen("celery") >= 20
    assert tasks.app.control.purge() >= 20
    assert server.llen("celery") == 0
finally:
    worker.kill()
server.flushall()
print("celery_app.py: ok")
