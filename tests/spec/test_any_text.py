"""Any text at all is a spec or a list of faults, and nothing else ever happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.errors import SpecError
from effscale.spec.dumping import dumps
from effscale.spec.loading import loads
from effscale.spec.names import folder
from tests.examples import examples
from tests.spec.small import TEXT as SMALL

#: Files of every kind of line.
TEXTS = [
    (folder() / f"{name}.yaml").read_text(encoding="utf-8")
    for name in ("b0", "inception-v3", "nasnet-a-large", "polynet", "densenet121")
]
B0 = TEXTS[0]
FRAGMENTS = st.sampled_from(
    [
        *"[]{}:,-?#&*!|>'\"%@`\t\n\r=~<\\φ😀\x00\x85\u2028\ufeff",
        *(": ", "- ", "\n  ", "<<: ", "&a ", "*a", "---\n", "...\n", "%YAML 1.1\n"),
        *("!!int ", "!!float ", "!!str ", "!!map ", "!x ", "null", "true", ".nan"),
        *(".inf", "1e9", "0x", "1:30", "9" * 20, "kernel: 4", "resolution", "b1"),
        *("block: ", "cell", "concat", "branches: []", "repeats: 2, ", "[[]]", "stem"),
    ]
)
EDITS = st.lists(
    st.tuples(
        st.integers(0, len(B0)), st.integers(0, 60), FRAGMENTS | st.text(max_size=5)
    ),
    min_size=1,
    max_size=4,
)


def judge(text: str) -> None:
    """A spec that can be written, or faults in order, a line each, within the text."""
    try:
        spec = loads(text)
    except SpecError as error:
        faults = error.faults
    else:
        assert dumps(spec)
        return
    assert faults
    assert list(faults) == sorted(set(faults))
    for fault in faults:
        assert 1 <= fault.line <= len(text.splitlines()) + 1
        assert 1 <= fault.column <= len(text) + 1
        assert len(str(fault).splitlines()) == 1


@examples(60)
@given(st.text(max_size=80) | st.lists(FRAGMENTS, max_size=20).map("".join))
def test_any_text_is_a_spec_or_faults(text: str) -> None:
    judge(text)


@examples(60)
@given(st.sampled_from(TEXTS), EDITS)
def test_any_mutation_of_a_spec_is_a_spec_or_faults(
    text: str, edits: list[tuple[int, int, str]]
) -> None:
    for start, length, inserted in edits:
        text = text[:start] + inserted + text[start + length :]
    judge(text)


@pytest.mark.parametrize("key", ["b 1", "b\\n1", "b\\u20281", "b.1[0]", "name", "stem"])
def test_a_fault_in_a_variant_of_any_name_is_one_line(key: str) -> None:
    judge(f'{SMALL}variants: {{"{key}": {{resolution: 32, x: 1}}}}\n')
