"""What depends on a head's kind stands in three rooms, and nothing else asks for the kind.

The rooms are `components/heads`, `components/training/heads.py` and `components/report/heads.py`. A
further kind is a class in each, so no other file may name a kind's class, tell a kind by its name,
choose by it, or tell it by what only that kind has. To write, read or compare the kinds of two
models is no choice, and a declaration such as `{"kind": "classes", "classes": 4}` is data. The rule
reads single expressions: a kind that is told through a variable or an array's shape escapes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from components.heads.base import Head
from components.heads.declared import HEADS

CLONE = Path(__file__).resolve().parents[3]
ROOMS = ("components/heads/", "components/training/heads.py", "components/report/heads.py")
BASES = {"Head", "ServedHead", "HeadNetwork", "HeadReport"}
# Those of the product itself: `count`, the tests' own, is a common word.
OWN = {kind: head for kind, head in HEADS.items() if head.__module__.startswith("components.")}
KINDS = frozenset(OWN)
OWN_MODULES = {f"components.heads.{kind}" for kind in KINDS}
METRICS = {metric.key for head in OWN.values() for metric in head.metrics}
# Of a head; results of judging have a unit too.
SETTINGS = {name for head in OWN.values() for name in head.model_fields} - {
    *Head.model_fields,
    "unit",
}
ONLY_ONE_KIND_HAS = {"given_as"}
LOOK_UPS = {"get", "pop", "setdefault"}
REGISTRIES = {"HEADS", "NETWORKS", "REPORTS"}
"""Where the class of a kind is found, of this package or another."""


def files(*folders: str) -> list[Path]:
    """Every module of the product, or of some folders and files of it."""
    given = [CLONE / name for name in folders or ("components", "pipeline", "benchmarks")]
    return [path for one in given for path in ([one] if one.suffix else sorted(one.rglob("*.py")))]


def classes_of_kinds() -> frozenset[str]:
    """Names of the classes in the rooms that derive from one of the bases, but for those."""
    found = set(BASES)
    defined = [
        (node.name, {base.id for base in node.bases if isinstance(base, ast.Name)})
        for path in files(*ROOMS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    while more := {name for name, bases in defined if bases & found} - found:
        found |= more
    return frozenset(found - BASES)


CLASSES = classes_of_kinds()


def broken_rules(source: str) -> list[tuple[int, str]]:
    """Line and rule of each place that a further kind would have to change."""
    found = {
        (node.lineno, rule)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.expr | ast.stmt | ast.pattern)
        for rule in rules_broken_by(node)
    }
    return sorted(found)


def rules_broken_by(node: ast.AST) -> Iterator[str]:
    """What a node does that it may not, without what is within it."""
    if any(is_of_a_head(node, key) for key in SETTINGS):
        yield "asks for what only one kind has"
    match node:
        case ast.ImportFrom(module=str(module), names=names):
            imported = {module, *(f"{module}.{alias.name}" for alias in names)}
            if imported & OWN_MODULES or CLASSES & {alias.name for alias in names}:
                yield "imports the class of a kind"
        case ast.Import(names=names):
            if OWN_MODULES & {alias.name for alias in names}:
                yield "imports the class of a kind"
        case ast.Name(id=name) | ast.Attribute(attr=name):
            if name in CLASSES:
                yield "names the class of a kind"
            if name in ONLY_ONE_KIND_HAS:
                yield "asks for what only one kind has"
        case ast.Constant(value=str(name)):
            if name in CLASSES or name in OWN_MODULES:
                yield "names the class of a kind"
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            if any(is_one_of(side, ONLY_ONE_KIND_HAS) for side in sides):
                yield "asks for what only one kind has"
            if any(names_a_kind(side) for side in sides):
                yield "compares with the name of a kind"
            if any(is_one_of(side, METRICS) for side in sides):
                yield "tells a kind by its metrics"
            if is_one_of(left, SETTINGS) and any(is_a_head(side) for side in others):
                yield "asks for what only one kind has"
            asked = any(is_of_a_head(side, "kind") for side in sides)
            if asked and not all(is_kind(side) or is_variable(side) for side in sides):
                yield "compares the kind of a head"
            if any(map(is_kind, sides)) and any(map(is_constant, sides)):
                yield "compares the kind of a head"
            if any(is_of_a_head(side, "width") for side in sides) and any(
                isinstance(side, ast.Constant) for side in sides
            ):
                yield "tells a kind by the width of its answer"
        case ast.MatchValue(value=value) if names_a_kind(value):
            yield "compares with the name of a kind"
        case ast.Match(subject=subject) if is_of_a_head(subject, "kind"):
            yield "compares the kind of a head"
        case ast.Match(subject=subject) if is_of_a_head(subject, "width"):
            yield "tells a kind by the width of its answer"
        case ast.Call(func=ast.Attribute(value=asked)) if is_of_a_head(asked, "kind"):
            yield "compares the kind of a head"
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[asked, wanted]) if (
            is_a_head(asked) and name_of(wanted) not in {*BASES, "Mapping"}
        ):
            yield "asks for the class of a head"
        case ast.Subscript(value=ast.Name(id=table), slice=key) if table in REGISTRIES:
            if names_a_kind(key):
                yield "chooses by the name of a kind"
        case ast.Subscript(slice=key):
            yield from rules_of_a_look_up(key)
        case ast.Call(func=ast.Attribute(attr=name), args=[key, *_]) if name in LOOK_UPS:
            yield from rules_of_a_look_up(key)
        case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, key, *_]):
            if names_a_kind(key) or is_one_of(key, ONLY_ONE_KIND_HAS) or is_one_of(key, SETTINGS):
                yield "asks for what only one kind has"
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            given = {keyword.arg for keyword in keywords}
            if len(given & KINDS) > 1 and "kind" not in given:
                yield "is a table by kind"
        case ast.Dict(keys=keys):
            # A declaration may have a field that is named as a kind.
            written = {key.value for key in keys if isinstance(key, ast.Constant)}
            if len(written & KINDS) > 1 and "kind" not in written:
                yield "is a table by kind"
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            if len(parts) > 1 and all(names_a_kind(part) for part in parts):
                yield "lists the names of kinds"


def names_a_kind(node: ast.AST) -> bool:
    """Whether a value is the name of a kind, or several values of which one is."""
    match node:
        case ast.Constant(value=str(text)):
            return text in KINDS
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return any(names_a_kind(part) for part in parts)
    return False


def is_one_of(node: ast.AST, those: Collection[str]) -> bool:
    """Whether a value is one of those names."""
    return isinstance(node, ast.Constant) and node.value in those


def rules_of_a_look_up(key: ast.AST) -> Iterator[str]:
    """What a look-up of a key does that it may not."""
    if names_a_kind(key) or is_of_a_head(key, "kind"):
        yield "chooses by the name of a kind"
    if is_one_of(key, ONLY_ONE_KIND_HAS):
        yield "asks for what only one kind has"
    if is_one_of(key, METRICS):
        yield "tells a kind by its metrics"


def is_kind(node: ast.AST) -> bool:
    """Whether a value is the key `kind` of anything."""
    return owner_of(node, "kind") is not None


def is_variable(node: ast.AST) -> bool:
    """Whether a value is a variable, such as the kind that another model's head is of."""
    return isinstance(node, ast.Name) and not node.id.isupper()


def is_constant(node: ast.AST) -> bool:
    """Whether a value is a constant by its name: `NUMBER`, `kinds.NUMBER`."""
    return name_of(node).isupper()


def is_of_a_head(node: ast.AST, key: str) -> bool:
    """Whether a value is a key of what is called a head: `head.kind`, `old_head["kind"]`."""
    owner = owner_of(node, key)
    return owner is not None and is_a_head(owner)


def is_a_head(node: ast.AST) -> bool:
    """Whether a value is called a head or an entry of one."""
    return name_of(node).lower().endswith(("head", "served", "declared", "entry"))


def name_of(node: ast.AST) -> str:
    """The last part of a value's name; empty where it has none."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def owner_of(node: ast.AST, key: str) -> ast.expr | None:
    """Of what a value is the key; None where it is another one."""
    match node:
        case ast.Attribute(value=owner, attr=name) if name == key:
            return owner
        case ast.Subscript(value=owner, slice=ast.Constant(value=name)) if name == key:
            return owner
        case ast.Call(
            func=ast.Attribute(value=owner, attr="get"), args=[ast.Constant(value=name), *_]
        ) if name == key:
            return owner
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, ast.Constant(value=name), *_]) if (
            name == key
        ):
            return owner
    return None


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("from components.heads.regression import RegressionHead", "imports the class of a kind"),
        ("from components.heads import binary", "imports the class of a kind"),
        ("import components.heads.classes as c", "imports the class of a kind"),
        ("from components.training.heads import BinaryNetwork", "imports the class of a kind"),
        ("if isinstance(head, heads.ClassesHead): ...", "names the class of a kind"),
        ("isinstance(served, (ServedNumber, str))", "names the class of a kind"),
        ("type(head) is BinaryHead", "names the class of a kind"),
        ("match head:\n case RegressionHead(): ...", "names the class of a kind"),
        ("table = {BinaryHead: 1}", "names the class of a kind"),
        ("head.kind == 'regression'", "compares with the name of a kind"),
        ("served.get('kind') != 'regression'", "compares with the name of a kind"),
        ("head['kind'] in ('classes', 'binary')", "compares with the name of a kind"),
        ("kind in {'classes'}", "compares with the name of a kind"),
        ("match kind:\n case 'binary' | 'classes': ...", "compares with the name of a kind"),
        ("head.kind != NUMBER", "compares the kind of a head"),
        ("self.head['kind'] in NUMBERS", "compares the kind of a head"),
        ("match head.kind:\n case NAMES.number: ...", "compares the kind of a head"),
        ("entry.get('kind', '') == words[0]", "compares the kind of a head"),
        ("head.width == 1", "tells a kind by the width of its answer"),
        ("METRICS['binary']", "chooses by the name of a kind"),
        ("METRICS[head.kind]", "chooses by the name of a kind"),
        ("METRICS.get(head['kind'], ())", "chooses by the name of a kind"),
        ("METRICS.get('regression')", "chooses by the name of a kind"),
        ("Literal['regression', 'classes']", "chooses by the name of a kind"),
        ("hasattr(head, 'classes')", "asks for what only one kind has"),
        ("head.given_as", "asks for what only one kind has"),
        ("head['given_as'] == 'group'", "asks for what only one kind has"),
        ("'given_as' in declared", "asks for what only one kind has"),
        ("HEADS['binary']", "chooses by the name of a kind"),
        ("head.get('given_as')", "asks for what only one kind has"),
        ("{'regression': 'linear', 'classes': 'softmax'}", "is a table by kind"),
        ("dict(regression=1, binary=2)", "is a table by kind"),
        ("NUMBERS = 'regression', 'classes'", "lists the names of kinds"),
        ("one.kind == NUMBER", "compares the kind of a head"),
        ("one['kind'] != kinds.NUMBER", "compares the kind of a head"),
        ("head.kind.startswith('reg')", "compares the kind of a head"),
        ("isinstance(head, numbers)", "asks for the class of a head"),
        ("isinstance(self.head.served, KIND)", "asks for the class of a head"),
        ("type(head).__name__ == 'BinaryHead'", "names the class of a kind"),
        ("def share(head: 'BinaryHead'): ...", "names the class of a kind"),
        ("import_module('components.heads.binary')", "names the class of a kind"),
        ("match head.width:\n case 1: ...", "tells a kind by the width of its answer"),
        ("head.metrics[0].key == 'mae'", "tells a kind by its metrics"),
        ("scores.get('auc')", "tells a kind by its metrics"),
        ("head.classes", "asks for what only one kind has"),
        ("head['positive']", "asks for what only one kind has"),
        ("hasattr(value, 'positive')", "asks for what only one kind has"),
        ("'positive' in head", "asks for what only one kind has"),
    ],
)
def test_a_choice_by_kind_is_found(source: str, rule: str) -> None:
    lines = len(source.splitlines())
    assert (lines, rule) in broken_rules(source) or (1, rule) in broken_rules(source)


@pytest.mark.parametrize(
    "source",
    [
        "heads = {'age': {'kind': 'regression'}, 'band': {'kind': 'classes', 'classes': 4}}",
        "declared = dict(kind='binary', positive='a', negative='b')",
        "head.model_dump()['kind']",
        "{'name': head.name, 'kind': head.kind}",
        "before['kind'] == after['kind']",
        "old_head.kind != head.kind",
        "earlier != head.kind",
        "heads = {'band': {'kind': 'classes', 'given_as': 'group'}}",
        "HEADS[head['kind']].metrics",
        "vectorizer = {'binary': True}",
        "{'type': accelerator, 'count': 2}",
        "network.kind == 'words'",
        "if store.kind in ('sqlite', 'mysql'): ...",
        "LAYERS[network.kind]",
        "from components.heads.base import Head, LabelError",
        "from components.training.heads import NETWORKS, HeadNetwork",
        "isinstance(value, Head)",
        "isinstance(head, Mapping)",
        "kind == DATE",
        "head.width * 2",
        "f'{head.name} is {head.kind}'",
        '"""A head is regression, classes or binary; given_as says how."""',
        "accepted = ('amount', 'group')",
        "x = 'regression'",
    ],
)
def test_what_asks_for_no_kind_is_left_alone(source: str) -> None:
    assert broken_rules(source) == []


def test_the_rooms_hold_a_class_of_each_kind() -> None:
    own = {"RegressionHead", "ClassesHead", "BinaryHead", "ServedNumber", "ServedClasses"}
    assert own <= CLASSES
    for room in ROOMS:
        found = [broken_rules(path.read_text(encoding="utf-8")) for path in files(room)]
        assert any(found), f"{room} knows no kind: the rules look past it"


def test_no_other_file_asks_for_the_kind_of_a_head() -> None:
    found = [
        f"{name}:{line} {rule}"
        for path in files()
        if not (name := path.relative_to(CLONE).as_posix()).startswith(ROOMS)
        for line, rule in broken_rules(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


def test_no_script_of_a_page_asks_for_the_kind_of_a_head() -> None:
    asks = re.compile(rf"kind\s*[!=]=|[\"'`.]({'|'.join(sorted(KINDS | ONLY_ONE_KIND_HAS))})\b")
    scripts = sorted((CLONE / "components").rglob("*.js"))
    assert len(scripts) > 1
    assert [path.name for path in scripts if asks.search(path.read_text(encoding="utf-8"))] == []
