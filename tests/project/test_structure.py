"""The structure of the package keeps within its limits; ``python tests/manual/structure.py`` prints the figures."""

from __future__ import annotations

import pytest
from conftest import ROOT
from manual.structure import Figures, is_participle, measure


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure(ROOT)


def test_few_files_stand_loose_at_the_root(figures: Figures) -> None:
    assert len(figures.root_files) <= 8


def test_the_layers_can_be_remembered(figures: Figures) -> None:
    assert figures.layers <= 16


def test_no_public_function_is_named_by_a_participle(figures: Figures) -> None:
    assert figures.participles == []


def test_few_functions_take_many_arguments(figures: Figures) -> None:
    assert len(figures.many_arguments) <= 5, figures.many_arguments


def test_the_library_names_no_flag_of_the_command_line(figures: Figures) -> None:
    assert figures.flags == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("trained", True),
        ("calibrating", True),
        ("told", True),
        ("train_members", False),
        ("seed", False),
        ("mae", False),
    ],
)
def test_participles_are_told_from_verbs(name: str, found: bool) -> None:
    assert is_participle(name) is found
