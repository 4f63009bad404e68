"""Clients that others wrote, against a real node: PyPI `jsonrpcclient` and npm `jayson`."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import httpx
import jsonrpcclient
import pytest

from tests.client.conftest import Live

pytestmark = pytest.mark.server
JAYSON = Path(__file__).parent / "jayson"


def post(live: Live, body: Any) -> Any:
    """The answer's JSON."""
    headers = {"Authorization": f"Bearer {live.key}"}
    return httpx.post(live.url, json=body, headers=headers).json()


def test_jsonrpcclient_calls_and_understands_the_answers(live: Live) -> None:
    """By name, by position, in a batch; results and errors."""
    sent = jsonrpcclient.parse(post(live, jsonrpcclient.request("notifications.send", {"uid": "7", "title": "x"})))
    assert isinstance(sent, jsonrpcclient.Ok)
    assert sent.result["duplicate"] is False
    counted = jsonrpcclient.parse(post(live, jsonrpcclient.request("inbox.unread_count", (["7"],))))
    assert isinstance(counted, jsonrpcclient.Ok)
    assert counted.result == {"7": 1}
    wrong = jsonrpcclient.parse(post(live, jsonrpcclient.request("notifications.send", {"uid": "7"})))
    assert isinstance(wrong, jsonrpcclient.Error)
    assert (wrong.code, wrong.data) == (-32602, [{"loc": ["title"], "msg": "Field required"}])
    calls = [jsonrpcclient.request("service.info"), jsonrpcclient.request("nonsense")]
    info, missing = cast("tuple[Any, Any]", jsonrpcclient.parse(post(live, calls)))
    assert info.result["name"] == "billing"
    assert missing.code == -32601


def test_jayson_calls_and_understands_the_answers(live: Live, tmp_path: Path) -> None:
    """As an npm user would, with the versions pinned beside this test."""
    for name in ("package.json", "package-lock.json", "call.js"):
        shutil.copy(JAYSON / name, tmp_path / name)
    environment = os.environ | {"RPC_URL": live.url, "SERVICE_KEY": live.key}
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=tmp_path, check=True, timeout=110)
    done = subprocess.run(
        ["node", "call.js"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["send"]["result"]["duplicate"] is False
    assert said["again"]["result"] == said["send"]["result"] | {"duplicate": True}
    assert said["wrong"]["error"]["code"] == -32602
    assert said["missing"]["error"]["code"] == -32601
    assert [entry["result"] for entry in said["batch"]] == [{"7": 1}, {"8": 0}]
