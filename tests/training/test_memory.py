"""The memory that training takes, predicted before TensorFlow is imported, beside what there is."""

from __future__ import annotations

import ast
import json
import re
import resource
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from samples import environment, panel_of

from forecaster import Forecaster
from forecaster.config import FAMILIES, Config
from forecaster.data.panel.panel import Panel
from forecaster.errors import ForecasterError
from forecaster.families import NETWORKS
from forecaster.families.shapes import Shapes
from forecaster.features.plan import Plan
from forecaster.networks.factory import build_network
from forecaster.networks.weight_counts import count_weights
from forecaster.system.memory import available_bytes
from forecaster.training import memory
from forecaster.training.memory import needed_memory, refuse_beyond_memory

GB = 10**9
CONFIG = Config.of(units=(8, 4), batch_size=16, segment=6)
PLAN = Plan(horizon=5, steps=5, seasons=(1,), lookback=24, segment=6, validation=10, transform="none", cycles=("day",))


def plain(*lengths: int) -> Panel:
    panel = panel_of(list(lengths))
    return replace(panel, columns=(), covariates=np.zeros((len(panel.values), 0), np.float32), static=None)


def test_a_need_by_hand():
    """One target, two numbers of the calendar; 4 segments; 102 windows to learn from and 12 to score.

    Five simple forecasts are weighed, and what each is worth is told beside each segment and to the head.
    """
    found = needed_memory(CONFIG, PLAN, plain(100, 80))
    assert found.learned == 4 * 16 * (12 * (24 + 5) * 3 + 60 * 5 + 11 * 4 * (8 + 4))
    assert found.forecast == 4 * 12 * (6 * (24 + 5) * 3 + 60 * 5 + 4 * 4 * (8 + 4))
    weights = (18 + 7) * 8 + 4 * 8 * (8 + 8) + 4 * 4 * (8 + 4) + (4 + 7 + 5 * 2) * 5 * (1 + 5)
    assert found.fixed == 0.75e9 + 180 * (30 + 10 * 3) + 4 * 14 * weights
    assert found.exported == 4 * 50 * weights
    assert found.total == found.fixed + max(found.learned, found.forecast, found.exported)


def reads_units(network):
    return "units" not in NETWORKS[network].unread


@pytest.mark.parametrize("network", FAMILIES)
def test_more_of_anything_needs_no_less(network):
    config, panel = CONFIG.replace(network=network), plain(300)
    plan = replace(PLAN, lookback=48, seasons=(6,))
    least = needed_memory(config, plan, panel)
    for name, more in {
        "rows": needed_memory(config, plan, plain(600)),
        "series": needed_memory(config, plan, plain(300, 300)),
        "lookback": needed_memory(config, replace(plan, lookback=96), panel),
        "horizon": needed_memory(config, replace(plan, horizon=10, steps=10), panel),
        **({"units": needed_memory(config.replace(units=(16, 8)), plan, panel)} if reads_units(network) else {}),
        "batch": needed_memory(config.replace(batch_size=32), plan, panel),
        "calendar": needed_memory(config, replace(plan, cycles=("day", "week")), panel),
    }.items():
        for part in ("fixed", "learned", "exported"):
            assert getattr(more, part) >= getattr(least, part), (name, part)
        assert more != least, name


def test_of_members_the_largest_counts_and_the_weights_of_all():
    from forecaster.features.members import Member

    small, large = Member("lstm-0", 0, 24, 6), Member("lstm-1", 0, 48, 6)
    panel, alone = plain(300), [needed_memory(CONFIG, replace(PLAN, lookback=n), plain(300)) for n in (24, 48)]
    both = needed_memory(CONFIG, replace(PLAN, lookback=48, members=(small, large)), panel)
    assert both.learned == alone[1].learned and both.exported == pytest.approx(sum(n.exported for n in alone))


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "settings", [{"units": (24, 12)}, {"units": (9,), "bidirectional": True, "head": "segments", "base": "none"}]
)
@pytest.mark.parametrize("network", FAMILIES)
def test_the_weights_of_a_network_are_those_that_keras_builds(network, settings):
    config = CONFIG.replace(network=network, **settings)
    shapes = Shapes(lookback=50, steps=7, calendar=2, past=1, seasons=(12,), indicator=True)
    assert count_weights(config, shapes) == pytest.approx(build_network(config, shapes).count_params(), rel=0.15)


# What there is


def system(folder, files):
    for name, text in {"proc/self/status": "Name:\tx\nVmSize:\t  1000 kB\nVmData:\t  400 kB\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return available_bytes(folder)


NO_SWAP = {"a/memory.swap.max": "0", "a/memory.swap.current": "0"}
MACHINE = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    5000 kB\nSwapFree:   10 kB\nHugePages_Total:  0\n"}


def test_the_memory_of_the_machine(tmp_path):
    assert system(tmp_path, MACHINE) == 5010 * 1024


def test_a_system_that_does_not_say_refuses_nothing(tmp_path, monkeypatch):
    assert available_bytes(tmp_path) is None
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert refuse_beyond_memory(CONFIG, PLAN, plain(300)) == []


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/a/b\n", {"a/memory.max": "3000000", "a/memory.current": "1000000", **NO_SWAP, "a/b/memory.max": "max"}),
        (
            "5:cpu:/a\n4:hugetlb,memory:/a\n",
            {"memory/memory.limit_in_bytes": "3000000", "memory/memory.usage_in_bytes": "1000000"},
        ),
    ],
)
def test_the_limit_of_a_group_around_the_own_one(tmp_path, groups, files):
    place = next(iter(files)).rpartition("/")[0]
    stat = {f"{place}/memory.stat": "cache 5\nactive_file 200000\ninactive_file 300000\n"}
    found = {f"sys/fs/cgroup/{name}": text for name, text in (files | stat).items()}
    assert system(tmp_path, {**MACHINE, "proc/self/cgroup": groups, **found}) == 2_500_000


@pytest.mark.parametrize(
    ("machine", "own", "around", "swap"),
    [
        ("10 kB", "max", "max", 10_240),
        ("10 kB", "9000", "max", 8_000),
        ("10 kB", "max", "0", 0),
        ("0 kB", "max", "max", 0),
    ],
)
def test_a_group_may_swap_as_much_as_the_machine_and_all_groups_around_it_let_it(tmp_path, machine, own, around, swap):
    files = {"a/memory.swap.max": around, "a/memory.swap.current": "0", "a/b/memory.swap.max": own}
    files |= {"a/b/memory.swap.current": "1000", "a/b/memory.max": "3000000", "a/b/memory.current": "1000000"}
    found = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    meminfo = f"MemAvailable: 5000 kB\nSwapFree: {machine}\n"
    assert system(tmp_path, {"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", **found}) == 2_000_000 + swap


@pytest.mark.parametrize(("limited", "taken"), [("RLIMIT_AS", 1000 * 1024 + 1.95e9), ("RLIMIT_DATA", 400 * 1024)])
def test_the_limits_of_the_process(tmp_path, monkeypatch, limited, taken):
    none = resource.RLIM_INFINITY
    limits = {getattr(resource, limited): (4 * 10**9, none)}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits.get(kind, (none, none)))
    assert system(tmp_path, {"proc/meminfo": "MemAvailable: 9000000 kB\n"}) == pytest.approx(4e9 - taken)


# What is said


def with_room(monkeypatch, room, gpu=False):
    monkeypatch.setattr(memory, "available_bytes", lambda: room)
    monkeypatch.setattr(memory, "has_gpu", lambda: gpu)
    return partial(refuse_beyond_memory, new=True)


LARGE = CONFIG.replace(units=(512, 512), batch_size=1_024)
LONG = replace(PLAN, lookback=1_200)


def test_too_little_is_refused_with_what_would_fit(monkeypatch):
    panel, room = plain(4_000), 5 * GB
    refuse = with_room(monkeypatch, room)
    most = needed_memory(LARGE, LONG, panel).total
    with pytest.raises(ForecasterError, match=rf"needs about {most / GB:.1f} GB, and 5\.0 GB are left") as error:
        refuse(LARGE, LONG, panel)
    assert error.value.exit_code == 1
    said = error.value.hint.removeprefix("this would fit: ").split(", or ")
    given = {name: ast.literal_eval(value) for name, value in (setting.split("=") for setting in said)}
    assert set(given) == {"batch_size", "lookback", "units"}
    batch, lookback, units = given["batch_size"], given["lookback"], given["units"]
    for factor, fits in ((1, True), (2, False)):
        for config, plan in (
            (LARGE.replace(batch_size=batch * factor), LONG),
            (LARGE, replace(LONG, lookback=lookback * factor)),
            (LARGE.replace(units=tuple(n * factor for n in units)), LONG),
        ):
            assert (needed_memory(config, plan, panel).total <= room) == fits


def test_what_may_be_too_little_is_a_warning(monkeypatch):
    panel = plain(4_000)
    most = needed_memory(LARGE, LONG, panel).total
    [note] = with_room(monkeypatch, 0.7 * most)(LARGE, LONG, panel)
    assert note.warning and note.name == "memory" and "batch_size" in note.reason
    assert with_room(monkeypatch, most)(LARGE, LONG, panel) == []
    with pytest.raises(ForecasterError):
        with_room(monkeypatch, 0.59 * most)(LARGE, LONG, panel)


def test_on_a_gpu_what_is_kept_of_a_batch_takes_none_of_the_machine(monkeypatch):
    need = needed_memory(LARGE, LONG, plain(4_000))
    room = need.fixed + need.exported
    assert need.total > room and with_room(monkeypatch, room, gpu=True)(LARGE, LONG, plain(4_000)) == []
    assert with_room(monkeypatch, room - 1, gpu=True)(LARGE, LONG, plain(4_000))


@pytest.mark.tensorflow
@pytest.mark.parametrize(("device", "found"), [("CPU", False), ("GPU (NVIDIA H200)", True)])
def test_a_gpu_is_one_that_tensorflow_trains_on(tmp_path, monkeypatch, device, found):
    """Whatever it is that it cannot: it was built without CUDA, or CUDA_VISIBLE_DEVICES is empty."""
    asked = []
    monkeypatch.setattr(memory, "device_name", lambda: asked.append(1) or device)
    (tmp_path / "proc/driver/nvidia/gpus").mkdir(parents=True)  # of the machine, in a container without its devices
    assert not memory.has_gpu(tmp_path) and not asked
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    assert memory.has_gpu(tmp_path) is found and asked


def test_tensorflow_is_not_asked_where_a_gpu_would_not_be_enough(monkeypatch):
    refuse, panel = with_room(monkeypatch, 0.3e9), plain(4_000)
    monkeypatch.setattr(memory, "has_gpu", lambda: pytest.fail("asked"))
    with pytest.raises(ForecasterError):
        refuse(LARGE, LONG, panel)


@pytest.mark.parametrize(
    ("network", "new", "settings"),
    [
        ("lstm", True, {"batch_size", "lookback", "units"}),
        ("nlinear", True, {"batch_size", "lookback"}),
        ("lstm", False, {"batch_size"}),
    ],
)
def test_what_would_fit_is_said_of_settings_that_are_read_and_may_differ(monkeypatch, network, new, settings):
    config = LARGE.replace(network=network)
    plan, panel = replace(LONG, indicator=True, cycles=("day",) * 50), plain(4_000)
    most = needed_memory(config, plan, panel).total
    with_room(monkeypatch, 0.97 * most)
    [note] = refuse_beyond_memory(config, plan, panel, new)
    assert set(re.findall(r"(\w+)=", note.reason)) == settings


def test_where_no_setting_is_enough_fewer_rows_are(monkeypatch):
    with pytest.raises(ForecasterError) as error:
        with_room(monkeypatch, 1e8)(LARGE, LONG, plain(4_000))
    assert "fewer rows" in error.value.hint


@pytest.mark.tensorflow
def test_a_fit_tells_the_warning_and_a_fit_of_more_than_there_is_writes_nothing(monkeypatch, command, folder):
    monkeypatch.setattr(memory, "available_bytes", lambda: 0.6e9)
    found = Forecaster(units=(2,), epochs=1, final=False, network="nlinear").fit("dataset:airline")
    [note] = [note for note in found.notes if note.name == "memory"]
    assert note.warning and note.value == "about 0.8 GB needed, 0.6 GB left"
    monkeypatch.setattr(memory, "available_bytes", lambda: 0.1e9)
    ended = command("fit", "dataset:airline")
    assert ended.code == 1 and "not enough memory: training needs about 0.8 GB, and 0.1 GB are left" in ended.err
    assert not list(folder.glob("*/manifest.json"))


def test_a_limit_of_the_process_refuses_before_tensorflow_is_imported(folder):
    code = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (15 * 10**8,) * 2)
from forecaster.cli.main import run
code = run(["fit", "dataset:airline"])
print([code, "tensorflow" in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert json.loads(done.stdout.lower()) == [1, False]
    assert "not enough memory: training needs about" in done.stderr and "Traceback" not in done.stderr
