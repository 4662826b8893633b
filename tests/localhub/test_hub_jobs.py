"""Jobs of the embedded Hub, by the unmodified client: they run as processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, Volume
from huggingface_hub.errors import HfHubHTTPError

from hubtools.cli.hub import made_token
from hubtools.errors import UsageError
from hubtools.localhub.accounts import User
from hubtools.localhub.serve import serve
from hubtools.localhub.server import Hub
from hubtools.printable import visible
from tests.localhub.asking import CLIENT

USERS = (
    User("me", "hf_of_me_alone", orgs=("studio",)),
    User("me", "hf_that_only_reads", role="read"),
    User("other", "hf_of_the_other"),
)
QUICK = 0.02  # seconds between two looks at a job


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("jobs") / "hub", users=USERS, jobs=1) as hub:
        yield hub


@pytest.fixture
def api(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token="hf_of_me_alone")


def run(api: HfApi, *command: str, **more: object) -> str:
    return api.run_job(image="python:3.12", command=list(command), **more).id  # type: ignore[arg-type]


NOT_HERE: dict[str, Callable[[HfApi], object]] = {
    'no "volumes"': lambda api: run(
        api, "ls", volumes=[Volume(type="model", source="a/b", mount_path="/m")]
    ),
    'no "expose"': lambda api: run(api, "ls", expose=[8000]),
    'no "ssh"': lambda api: run(api, "ls", ssh=True),
    'no "spaceId"': lambda api: api.run_job(image="hf.co/spaces/me/a", command=["ls"]),
    "tried once": lambda api: run(api, "ls", attempts=2),
    "local script or folder of a job": lambda api: api.run_uv_job(__file__),
    "no buckets": lambda api: api.create_bucket("me/one"),
    "no schedules": lambda api: api.create_scheduled_job(
        image="a", command=["b"], schedule="@daily"
    ),
    "no schedules for jobs, and does not know GET": lambda api: api.list_scheduled_jobs(),
    "no schedules for jobs, and does not know DELETE": lambda api: api.delete_scheduled_job(
        scheduled_job_id="a"
    ),
    "does not know GET /api/jobs/me/a/metrics": lambda api: list(api.fetch_job_metrics(job_id="a")),
}


@pytest.mark.filterwarnings("ignore:.*experimental")
@pytest.mark.parametrize("said", NOT_HERE)
def test_what_only_the_hub_of_the_world_has_is_refused_by_its_name(api: HfApi, said: str) -> None:
    with pytest.raises(HfHubHTTPError, match="501") as caught:
        NOT_HERE[said](api)
    assert said in str(caught.value)


def log(api: HfApi, job: str) -> list[str]:
    return list(api.fetch_job_logs(job_id=job, follow=True))


def test_a_job_runs_with_its_variables_and_what_it_says_is_its_log(api: HfApi, hub: Hub) -> None:
    asked = "import os; print(os.environ['A'], os.environ['HF_ENDPOINT'], os.environ['JOB_ID'])"
    told = "import os; print('the token is', os.environ['HF_TOKEN'])"
    job = api.run_job(
        image="python:3.12",
        command=["python", "-c", f"{asked}; {told}"],
        env={"A": "x"},
        secrets={"HF_TOKEN": "hf_of_me_alone"},
        flavor="l4x1",
        labels={"for": "a-test"},
    )
    assert log(api, job.id) == [f"x {hub.url} {job.id}", "the token is ***"]
    done = api.wait_for_job(job_id=job.id, poll_interval=QUICK)
    assert (done.status.stage, done.flavor, done.environment) == ("COMPLETED", "l4x1", {"A": "x"})
    assert done.secrets == {}
    assert done.durations is not None
    assert [one.id for one in api.list_jobs(namespace="me", labels={"for": "a-test"})] == [job.id]
    assert not list(api.list_jobs(namespace="me", labels={"for": "another"}))
    assert job.id in [one.id for one in api.list_jobs(namespace="me", status="completed")]
    assert log(api, api.rerun_job(job_id=job.id).id)[1] == "the token is ***"


def test_uv_runs_a_script_with_this_interpreter(api: HfApi) -> None:
    script = "import sys, hubtools; print(sys.argv[1:], sys.executable)"
    words = 'printf %s "$S" > a.py; uv run --with nothing-of-this-name a.py 1 "2 3"'
    job = run(api, "bash", "-c", words, env={"S": script})
    assert log(api, job) == [f"['1', '2 3'] {sys.executable}"]


def test_how_a_job_failed_is_told(api: HfApi) -> None:
    job = run(api, "python", "-c", "import sys; sys.exit(7)")
    status = api.wait_for_job(job_id=job, poll_interval=QUICK).status
    assert (status.stage, status.message) == ("ERROR", "Job failed with exit code: 7.")
    missing = run(api, "no-such-program")
    assert log(api, missing) == ["no-such-program: No such file or directory"]
    slow = run(api, "python", "-c", "import time; time.sleep(600)", timeout=1)
    status = api.wait_for_job(job_id=slow, poll_interval=QUICK).status
    assert (status.stage, status.message) == ("ERROR", "Job timeout")


def test_one_runs_at_a_time_and_each_can_be_cancelled(api: HfApi) -> None:
    forever = "import subprocess, sys; print('here', flush=True); subprocess.run(['sleep', '600'])"
    first = run(api, "python", "-c", forever)
    waiting = run(api, "python", "-c", "print('its turn')")
    canceled = run(api, "python", "-c", "print('never')")
    lines = api.fetch_job_logs(job_id=first, follow=True)
    assert next(iter(lines)) == "here"
    stages = {one.id: one.status.stage for one in api.list_jobs(namespace="me")}
    assert (stages[first], stages[waiting]) == ("RUNNING", "SCHEDULING")
    api.cancel_job(job_id=canceled)
    assert api.inspect_job(job_id=canceled).status.stage == "CANCELED"
    api.cancel_job(job_id=first)
    assert api.wait_for_job(job_id=first, poll_interval=QUICK).status.stage == "CANCELED"
    assert log(api, waiting) == ["its turn"]
    assert api.wait_for_job(job_id=canceled).started_at is None


def test_only_owners_that_may_write_run_jobs_and_only_owners_see_them(api: HfApi, hub: Hub) -> None:
    job = run(api, "python", "-c", "print('mine')", namespace="studio")
    assert api.wait_for_job(job_id=job, namespace="studio", poll_interval=QUICK).owner.type == "org"
    reads = HfApi(endpoint=hub.url, token="hf_that_only_reads")
    other = HfApi(endpoint=hub.url, token="hf_of_the_other")
    stranger = HfApi(endpoint=hub.url, token=False)
    for client in (reads, other, stranger):
        with pytest.raises(HfHubHTTPError, match=r"40[13]"):
            client.run_job(image="a", command=["true"], namespace="me")
    for client in (other, stranger):
        with pytest.raises(HfHubHTTPError, match=r"40[13]"):
            client.inspect_job(job_id=job, namespace="studio")
        with pytest.raises(HfHubHTTPError, match=r"40[13]"):
            list(client.list_jobs(namespace="studio"))
    with pytest.raises(HfHubHTTPError, match="404"):
        other.inspect_job(job_id=job, namespace="other")  # of a namespace that is not its own


def test_a_job_has_a_page_with_its_log(api: HfApi, hub: Hub, tmp_path: Path) -> None:
    said = "print('<script>alert(1)</script>')\nprint('10 %\\r\\x1b[32m20 %\\x1b[0m\\r')"
    job = run(api, "python", "-c", said, secrets={"HF_TOKEN": "hf_of_me_alone"}, name="a-name")
    api.wait_for_job(job_id=job, poll_interval=QUICK)
    page = CLIENT.get(f"{hub.url}/jobs/me/{job}", headers={"Accept": "text/html"})
    assert (page.status_code, "&lt;script&gt;alert(1)" in page.text) == (200, True)
    assert "\n20 %" in page.text
    assert "10 %" not in page.text.partition("<pre")[2]
    assert "completed" in page.text
    assert "hf_of_me_alone" not in page.text
    every = CLIENT.get(f"{hub.url}/jobs/me", headers={"Accept": "text/html"}).text
    assert f'href="/jobs/me/{job}"' in every
    for missing in ("jobs/me/0123", "jobs/nobody", f"jobs/other/{job}"):
        answer = CLIENT.get(f"{hub.url}/{missing}", headers={"Accept": "text/html"})
        assert answer.status_code == 404
    with Hub(tmp_path / "closed", users=USERS, jobs=1, open_pages=False) as closed:
        assert CLIENT.get(f"{closed.url}/jobs/me").status_code == 404


def test_what_cannot_be_is_refused(api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="must be one of cpu-basic"):
        run(api, "true", flavor="b200")
    with pytest.raises(HfHubHTTPError, match="must not be empty"):
        run(api)
    with pytest.raises(HfHubHTTPError, match=r"have no .*volumes"):
        run(api, "true", volumes=[Volume(type="model", source="me/a", mount_path="/a")])
    with pytest.raises(HfHubHTTPError, match="no variable"):
        run(api, "true", env={"A=B": "x"})
    assert {one.name: one.unit_cost_usd * 60 for one in api.list_jobs_hardware()}[
        "l4x1"
    ] == pytest.approx(0.8, abs=1e-4)


def test_a_hub_runs_no_jobs_unless_it_is_told_to(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="everybody knows hf_local"):
        Hub(tmp_path / "hub", jobs=1)
    with pytest.raises(UsageError, match="--jobs 99"):
        Hub(tmp_path / "hub", token="hf_mine", jobs=99)
    with serve(tmp_path / "hub") as running:
        api = HfApi(endpoint=running.hub.url, token="hf_local")
        assert not list(api.list_jobs(namespace="me"))
        with pytest.raises(HfHubHTTPError, match="hub serve --jobs 1"):
            run(api, "true")


def test_the_token_that_is_made_for_jobs_can_be_read() -> None:
    made = {made_token() for _ in range(200)}
    assert len(made) == 200
    for token in made:
        assert visible(f"  export HF_TOKEN={token}") == f"  export HF_TOKEN={token}"


_SERVES = """
import sys, os
from pathlib import Path
from hubtools.localhub.server import Hub
from huggingface_hub import HfApi
hub = Hub(Path(sys.argv[1]), token="hf_mine", jobs=1).start()
api = HfApi(endpoint=hub.url, token="hf_mine")
said = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
job = api.run_job(image="a", command=["python", "-c", said], namespace="me")
print(next(iter(api.fetch_job_logs(job_id=job.id, namespace="me", follow=True))), flush=True)
sys.stdin.readline()
"""


def test_a_job_does_not_outlive_its_hub_however_that_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVES, str(tmp_path / "hub")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        job = int(process.stdout.readline())
        os.kill(job, 0)
        process.kill()
        # the keeper and the job hold the other ends of its pipes no more once they are gone
        descriptor = os.pidfd_open(job) if hasattr(os, "pidfd_open") and _lives(job) else None
        if descriptor is not None:
            import select

            assert select.select([descriptor], [], [], 100)[0]
            os.close(descriptor)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
