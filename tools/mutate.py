"""Change `oauth1` and `oauth2` in thousands of small ways and see which change no test notices.

    python -m tools.mutate                     every file of both rooms
    python -m tools.mutate oauth1/verify       one file (or a pattern: 'oauth2/jw*')
    python -m tools.mutate --again             only what no test noticed the last time
    python -m tools.mutate --report            figures for each file and what survived, from the last run

mutmut makes the mutants and keeps the score (`mutmut browse` works in the copy); this adds what it lacks: mutants that
switch a guard off, tests that are collected once and not for every mutant, and a copy of the tree to work in
(`.cache/mutation`). What an error says in words is not mutated. What survives, and why, is in docs/mutation.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libcst as cst
from mutmut.mutation import mutators
from mutmut.runners import harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

COPY = Path(".cache/mutation")
SENTENCE = re.compile(r"\w[,;:]? \w")
# Names of header fields compare without case, so another case is no change.
FIELDS = ("accept", "authorization", "content-type", "date", "dpop", "dpop-nonce", "retry-after", "www-authenticate")
AGAIN = ("survived", "no tests", "not run")
OPPOSITES = {"any": "all", "all": "any", "min": "max", "max": "min"}
OUTCOMES = {
    None: "not run",
    1: "killed",
    3: "killed",
    0: "survived",
    33: "no tests",
    36: "timeout",
    24: "timeout",
    152: "timeout",
    -24: "timeout",
}


def says_something(node: cst.CSTNode | None) -> bool:
    """Whether this is text for people: its wording is not behaviour. It is called `message` where it has a name."""
    if isinstance(node, cst.Name):
        return bool(node.value == "message")
    if isinstance(node, cst.ConcatenatedString):
        return says_something(node.left) or says_something(node.right)
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and SENTENCE.search(part.value) for part in node.parts)
    return isinstance(node, cst.SimpleString) and bool(SENTENCE.search(node.value))


def same_field(one: cst.CSTNode, other: cst.CSTNode) -> bool:
    """Whether both are the name of the same header field."""
    texts = [node.value[1:-1].lower() for node in (one, other) if isinstance(node, cst.SimpleString)]
    return len(texts) == 2 and texts[0] == texts[1] and texts[0] in FIELDS


def without_sentences(operator: Callable[[Any], Iterable[Any]]) -> Callable[[Any], Iterator[Any]]:
    """The operator, except where all that changes is a sentence."""

    def mutants(node: Any) -> Iterator[Any]:
        assigned = getattr(node, "value", None)
        if says_something(node) or (isinstance(assigned, cst.BaseString) and says_something(assigned)):
            return
        for mutant in operator(node):
            old, new = getattr(node, "args", ()), getattr(mutant, "args", ())
            lost = [argument for argument in old if not any(argument is kept for kept in new)]
            if not any(says_something(argument.value) for argument in lost) and not same_field(node, mutant):
                yield mutant

    mutants.__name__ = operator.__name__
    return mutants


def switched(test: Any) -> Iterator[cst.BooleanOperation]:
    """A condition that is made out but has no say any more, either way."""
    inside = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield cst.BooleanOperation(inside, cst.And(), cst.Name("False"))
    yield cst.BooleanOperation(inside, cst.Or(), cst.Name("True"))


def guard_switched(node: cst.If | cst.CompIf) -> Iterator[cst.CSTNode]:
    """An `if` that always or never holds."""
    for test in switched(node.test):
        yield node.with_changes(test=test)


def statement_dropped(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """A `raise`, or a call made for what it does, that is not there."""
    first = node.body[0]
    if isinstance(first, cst.Raise) or (isinstance(first, cst.Expr) and not isinstance(first.value, cst.BaseString)):
        yield node.with_changes(body=[cst.Pass()])


def opposite(node: cst.Call) -> Iterator[cst.CSTNode]:
    """`all` for `any`, `max` for `min`."""
    if isinstance(node.func, cst.Name) and node.func.value in OPPOSITES:
        yield node.with_changes(func=cst.Name(OPPOSITES[node.func.value]))


class WarmRunner(harness.PytestRunner):  # type: ignore[misc] # not installed where types are checked
    """Runs the tests of a mutant from what was collected once; a worker is a fork, so nothing it does stays."""

    def __init__(self) -> None:
        super().__init__()
        self._items: dict[str, Any] = {}
        self._capturing: list[Any] = []

    def execute_pytest(self, params: list[str], **kwargs: Any) -> int:
        """As pytest does it, and the tests are remembered."""
        kwargs["plugins"] = [*kwargs.get("plugins", ()), self]
        return int(super().execute_pytest(params, **kwargs))

    def pytest_collection_finish(self, session: Any) -> None:
        """Remember the tests, but for those that need the directories which end with the session."""
        self._items |= {item.nodeid: item for item in session.items if "tmp_path" not in item.fixturenames}

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        """1 as soon as a test fails, 0 when none did; without a mutant, where mutmut looks whether they pass at all."""
        from _pytest.runner import runtestprotocol
        from mutmut.state import state
        from mutmut.utils.file_utils import change_cwd

        seconds = state().duration_by_test
        file = (mutant_name or ".").split(".")[-2]

        def last(name: str) -> tuple[bool, float]:
            # A file's own tests notice most (test_mistakes.py is mistakes_of_keys.py's too); quick ones cost least.
            own = name.partition("::")[0].rpartition("/test_")[2].removesuffix(".py")
            return not file.startswith(own), seconds.get(name, 0)

        named = sorted((name for name in tests if name in self._items), key=last)
        items = [self._items[name] for name in named] or list(self._items.values())
        for capture in {item.config.pluginmanager.getplugin("capturemanager") for item in items}:
            if not capture.is_globally_capturing() and capture not in self._capturing:
                capture.start_global_capturing()
                self._capturing.append(capture)
        with change_cwd("mutants"):
            for item, following in zip(items, [*items[1:], None], strict=True):
                failed = [found for found in runtestprotocol(item, log=False, nextitem=following) if found.failed]
                if failed:
                    item.session._setupstate.teardown_exact(None)  # noqa: SLF001
                    print(*(found.longreprtext for found in failed))  # seen only where the tests do not pass unmutated
                    return 1
        gc.freeze()  # what was collected is shared with every worker, as long as nobody touches it
        return 0


def prepare() -> None:
    """Bring the copy up to date with the tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True
    ).stdout.split()
    kept = {COPY / name for name in listed if Path(name).is_file()}
    for path in [*COPY.glob("src/**/*.py"), *COPY.glob("tests/**/*.py"), *COPY.glob("mutants/tests/**/*.py")]:
        if COPY / path.relative_to(COPY / "mutants" if "mutants" in path.parts else COPY) not in kept:
            path.unlink()
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        original = path.relative_to(COPY)
        if not path.exists() or path.read_bytes() != original.read_bytes():
            shutil.copy(original, path)  # mutmut makes mutants anew of what is newer


def register() -> None:
    """Our operators beside mutmut's, in place: it holds on to the list."""
    ours = mutators.mutation_operators
    assert isinstance(ours, list)
    ours[:] = [(kind, without_sentences(operator)) for kind, operator in ours]
    ours += [(cst.If, guard_switched), (cst.CompIf, guard_switched)]
    ours += [(cst.SimpleStatementLine, statement_dropped), (cst.Call, opposite)]
    from mutmut.workers import isolation

    for module in (harness, isolation):
        if hasattr(module, "PytestRunner"):
            module.PytestRunner = WarmRunner


def outcomes() -> Iterator[tuple[str, dict[str, str]]]:
    """Each mutated file with what became of its mutants."""
    for meta in sorted(Path("mutants/src").rglob("*.py.meta")):
        codes = json.loads(meta.read_text())["exit_code_by_key"]
        if any(code is not None for code in codes.values()):
            name = str(meta.relative_to("mutants/src/valetkey")).removesuffix(".meta")
            yield name, {mutant: OUTCOMES.get(code, f"exit {code}") for mutant, code in codes.items()}


def report() -> None:
    """The table of docs/mutation.md and, behind it, every survivor as a diff."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    words = ("killed", "timeout", "survived", "no tests", "not run")
    print("| file | mutants | " + " | ".join(words) + " |\n|---|" + "---:|" * (len(words) + 1))
    left: list[str] = []
    for name, found in outcomes():
        counts = [list(found.values()).count(word) for word in words]
        print(f"| `{name}` | {len(found)} | " + " | ".join(map(str, counts)) + " |")
        left += [mutant for mutant, outcome in found.items() if outcome in ("survived", "no tests")]
    for mutant in left:
        changed = [line for line in get_diff_for_mutant(mutant).splitlines()[3:] if line[:1] in "+-"]
        print("\n" + mutant, *changed, sep="\n")


def main() -> None:
    """Run mutmut in the copy, then report."""
    shape = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="tools.mutate", description=__doc__, formatter_class=shape)
    parser.add_argument("files", nargs="*", help="such as oauth1/verify or 'oauth2/jw*'")
    parser.add_argument("--again", action="store_true", help="only what no test noticed the last time")
    parser.add_argument("--report", action="store_true", help="do not run anything")
    parser.add_argument("--workers", default="1")
    asked = parser.parse_args()
    if not asked.report:
        prepare()
    os.chdir(COPY)
    register()
    from mutmut.__main__ import cli

    chosen = ["valetkey." + name.replace("/", ".") + ".*" for name in asked.files]
    if asked.again:
        left = [mutant for _, found in outcomes() for mutant, outcome in found.items() if outcome in AGAIN]
        chosen = [mutant for mutant in left if not chosen or any(fnmatch(mutant, files) for files in chosen)]
    if not asked.report:
        cli(["run", "--max-children", asked.workers, *chosen], standalone_mode=False)
    sys.stdout.flush()
    report()


if __name__ == "__main__":
    main()
