"""The library's error tree.

Two kinds of problem (ARCHITECTURE.md, "Two kinds of problem"): an unusable description raises `DescriptionError`;
a construct that cannot be converted is a `Diagnostic` and costs only itself. A call whose arguments do not fit
raises `ArgumentsError`, before any request exists.
"""

from __future__ import annotations

from dataclasses import dataclass


class ConverterError(Exception):
    """Base of every error `converters` raises on purpose; the message is one sentence for a person."""

    def __init__(self, message: str) -> None:
        """Keep the sentence."""
        super().__init__(message)
        self.message = message


class DescriptionError(ConverterError):
    """The description cannot be used at all; nothing of it was converted.

    `code` is stable (`spec_*` or `ref_*`), `pointer` an RFC 6901 JSON Pointer ("" is the whole document), `line`
    the 1-based line in the document, `remedy` what to do about it.
    """

    def __init__(
        self, code: str, message: str, *, pointer: str = "", line: int | None = None, remedy: str = ""
    ) -> None:
        """Keep what went wrong, where, and what to do."""
        super().__init__(message)
        self.code = code
        self.pointer = pointer
        self.line = line
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """One argument that does not fit.

    `pointer` is a JSON Pointer into the arguments, `expected` says what the schema wants, `received` what came
    (shortened), `hint` a near miss or an example, or "".
    """

    code: str
    pointer: str
    expected: str
    received: str = ""
    hint: str = ""

    def sentence(self) -> str:
        """Give the problem as one line that a model can act on."""
        where = self.pointer or "(arguments)"
        got = f", got {self.received}" if self.received else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}: expected {self.expected}{got}.{hint}"


class BodyValueError(ConverterError):
    """A value cannot be written in the media type of the request body.

    `path` leads to it within the body, `expected` and `received` are those of `ArgumentProblem`.
    """

    def __init__(self, path: tuple[str, ...], expected: str, received: str) -> None:
        """Keep where and what."""
        super().__init__(f"Expected {expected}, got {received}.")
        self.path = path
        self.expected = expected
        self.received = received


class ArgumentsError(ConverterError):
    """The arguments do not fit the tool's input schema or cannot be put on the wire; no request was made."""

    def __init__(self, problems: tuple[ArgumentProblem, ...], minimal_call: str = "", *, note: str = "") -> None:
        """Keep every problem; the message lists them all, `note`, and a minimal valid call where one is known."""
        lines = [problem.sentence() for problem in problems]
        lines += [note] if note else []
        lines += [f"A minimal valid call: {minimal_call}"] if minimal_call else []
        super().__init__("\n".join(lines))
        self.problems = problems
