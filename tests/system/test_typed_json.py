"""JSON as the types that it was made of: what is right comes back, whatever else is named by its place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.system.typed_json import Natural, as_type


@dataclass(frozen=True)
class Leaf:
    size: Natural
    share: float = 0.5

    kind: ClassVar[str] = "leaf"


@dataclass(frozen=True)
class Branch:
    name: str

    kind: ClassVar[str] = "twig"


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]
    parts: tuple[Leaf | Branch, ...] = ()
    label: str | None = None
    flags: tuple[bool, ...] = ()


LEAVES = st.builds(Leaf, st.integers(1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False))
TREES = st.builds(
    Tree,
    st.lists(LEAVES).map(tuple),
    label=st.none() | st.text(st.characters(exclude_categories=("Cs",))),
    flags=st.lists(st.booleans()).map(tuple),
)


@given(TREES)
def test_what_was_written_is_what_is_read(tree):
    assert as_type(Tree, json.loads(json.dumps(asdict(tree)))) == tree


def test_several_dataclasses_are_told_apart_by_their_kind_and_not_their_name():
    plain = {"leaves": [], "parts": [{"kind": "twig", "name": "a"}, {"kind": "leaf", "size": 2}]}
    assert as_type(Tree, plain).parts == (Branch("a"), Leaf(2))


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (5, "tree should be an object"),
        ({}, "tree should be with leaves"),
        ({"leaves": [], "more": 1}, "tree should be without 'more'"),
        ({"leaves": {}}, "tree.leaves should be a list"),
        ({"leaves": [{"size": 0}]}, r"tree.leaves\[0\].size should be 1 or more"),
        ({"leaves": [{"size": 1.0}]}, "a whole number"),
        ({"leaves": [{"size": True}]}, "a whole number"),
        ({"leaves": [{"size": 2**53}]}, "a whole number"),
        ({"leaves": [{"size": "1"}]}, "a whole number"),
        ({"leaves": [{"size": 1, "share": float("inf")}]}, "a number"),
        ({"leaves": [{"size": 1, "share": 10**400}]}, "a number"),
        ({"leaves": [{"size": 1, "kind": "twig"}]}, "of another kind"),
        ({"leaves": [], "kind": "tree"}, "of another kind"),
        ({"leaves": [], "kind": None}, "of another kind"),
        ({"leaves": [], "parts": [{"kind": "root", "name": "a"}]}, "of a known kind"),
        ({"leaves": [], "parts": [{"kind": "branch", "name": "a"}]}, "of a known kind"),
        ({"leaves": [], "parts": [{"name": "a"}]}, "of a known kind"),
        ({"leaves": [], "parts": ["twig"]}, "of a known kind"),
        ({"leaves": [], "label": 1}, "tree.label should be text"),
        ({"leaves": [], "label": "\ud800"}, "tree.label should be text"),
        ({"leaves": [], "flags": [1]}, r"tree.flags\[0\] should be true or false"),
    ],
)
def test_anything_else_is_refused_by_its_place(plain, words):
    with pytest.raises(ValueError, match=words):
        as_type(Tree, plain, "tree")
