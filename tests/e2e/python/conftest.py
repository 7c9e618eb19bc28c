"""The stage: the built Worker and a scripted upstream, started once for all tests by the Node that npm installed."""

import json
import os
import pathlib
import subprocess

import openai
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def stage():
    """Where the gateway is, and its keys."""
    node = ROOT / "node_modules" / ".bin" / "node"
    process = subprocess.Popen(
        [str(node), str(ROOT / "tests" / "e2e" / "python" / "stage.ts")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    if not line:
        pytest.exit("the stage did not start; its own words are above", returncode=1)
    yield json.loads(line)
    process.stdin.close()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture
def client(stage):
    """The official client, which does not retry by itself here."""
    return openai.OpenAI(base_url=stage["url"], api_key=stage["key"], max_retries=0)


def pytest_runtest_logreport(report):
    """Tells python.test.ts of each outcome, one JSON object a line."""
    path = os.environ.get("EDGEWAY_PYTEST_REPORT")
    if path and (report.when == "call" or report.outcome != "passed"):
        name = report.nodeid.split("::")[-1].removeprefix("test_").replace("_", " ")
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"name": name, "outcome": report.outcome, "details": report.longreprtext}) + "\n")
