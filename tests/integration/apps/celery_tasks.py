"""A Celery application whose broker and result backend is the server in HOLDFAST_URL."""
import os

import celery

url = os.environ["HOLDFAST_URL"]
app = celery.Celery("celery_tasks", broker=url + "/0", backend=url + "/1")
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    result_expires=600,
    task_track_started=True,
    broker_transport_options={"visibility_timeout": 600},
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("on purpose")


@app.task(bind=True, max_retries=5)
def third_time(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    return self.request.retries


@app.task(bind=True)
def progress(self):
    self.update_state(state="HALF", meta={"done": 50})
    return "whole"
