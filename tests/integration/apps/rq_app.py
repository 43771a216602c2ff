"""RQ with real workers against a server. Usage: rq_app.py PORT. Fails by an exception."""
import datetime
import pathlib
import subprocess
import sys
import time

import rq
import rq.command
import rq.registry
from rq.job import Job

import rq_jobs

HERE = pathlib.Path(__file__).resolve().parent
PORT = sys.argv[1]
connection = rq_jobs.connect(int(PORT))


def until(what, condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def start_worker(*queues):
    return subprocess.Popen(
        ["rq", "worker", "--url", f"redis://127.0.0.1:{PORT}", "--path", str(HERE), "--quiet",
         "--with-scheduler", *queues], cwd=HERE)


high, low = (rq.Queue(name, connection=connection) for name in ("high", "low"))
workers = [start_worker("high", "low") for _ in range(3)]
try:
    until("workers", lambda: rq.Worker.count(connection) == 3)

    # A hundred jobs, half of them in one pipeline.
    jobs = [high.enqueue(rq_jobs.add, i, 1, result_ttl=60) for i in range(50)]
    jobs += low.enqueue_many([rq.Queue.prepare_data(rq_jobs.add, (i, 1)) for i in range(50, 100)])
    # Jobs that others wait for; callbacks; failures; retries.
    before = [low.enqueue(rq_jobs.add, i, 0) for i in range(5)]
    after = high.enqueue(rq_jobs.sum_of_dependencies, depends_on=before)
    last = high.enqueue(rq_jobs.add, 40, 2, depends_on=after, on_success=rq_jobs.on_success)
    failing = high.enqueue(rq_jobs.fail, on_failure=rq_jobs.on_failure)
    retried = high.enqueue(rq_jobs.succeed_at_third, retry=rq.Retry(max=3))
    annotated = low.enqueue(rq_jobs.with_meta, "here")
    done = jobs + before + [after, last, retried, annotated]
    until("all jobs", lambda: all(j.get_status() == "finished" for j in done))
    until("the failure", lambda: failing.get_status() == "failed")
    assert [j.result for j in jobs] == list(range(1, 101))
    assert after.result == 10 and last.result == 42
    assert connection.hgetall("succeeded") == {last.id.encode(): b"42"}
    told = {failing.id.encode(): b"on purpose"}
    until("its callback", lambda: connection.hgetall("failed") == told)
    assert "on purpose" in Job.fetch(failing.id, connection).exc_info
    assert retried.result == 3
    assert annotated.get_meta() == {"seen": "here"}
    assert high.failed_job_registry.get_job_ids() == [failing.id]
    assert low.finished_job_registry.count == 56
    assert len(Job.fetch_many([j.id for j in jobs], connection)) == 100
    assert sum(w.successful_job_count for w in rq.Worker.all(connection)) == 109

    # What was put off is there and can be taken back.
    delay = datetime.timedelta(seconds=1000)
    scheduled = [low.enqueue_in(delay, rq_jobs.add, i, i) for i in range(3)]
    assert low.scheduled_job_registry.count == 3
    low.scheduled_job_registry.remove(scheduled[0], delete_job=True)
    assert low.scheduled_job_registry.count == 2
    assert not Job.exists(scheduled[0].id, connection)

    # A failed job once more.
    failing.requeue()
    until("it failed again", lambda: high.failed_job_registry.count == 1)

    for worker in rq.Worker.all(connection):  # by a message on its channel
        rq.command.send_shutdown_command(connection, worker.name)
    for worker in workers:
        assert worker.wait(20) == 0, "exit of a worker"
    assert rq.Worker.count(connection) == 0

    # Without workers, at the end: what is queued can be looked through and thrown away.
    waiting = [low.enqueue(rq_jobs.add, i, i) for i in range(20)]
    first = low.enqueue(rq_jobs.add, 0, 0, at_front=True)
    assert low.job_ids == [first.id] + [j.id for j in waiting]
    assert low.get_job_position(waiting[0]) == 1
    assert low.empty() == 21
    high.delete(delete_jobs=True)
    low.delete(delete_jobs=True)
finally:
    for worker in workers:
        worker.kill()
connection.flushall()
print("rq_app.py: ok")
