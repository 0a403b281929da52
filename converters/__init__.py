"""OpenAPI in, tools out, requests planned: no network, no database, no web.

from converters import compile_description
compilation = compile_description(open("openapi.yaml", "rb").read())
"""

from converters.compiler import Compilation, Counts, compile_description
from converters.diagnostics import Diagnostic, Severity
from converters.errors import ArgumentProblem, ArgumentsError, ConverterError, DescriptionError
from converters.tool_definitions import ToolDefinition

__all__ = [
    "ArgumentProblem",
    "ArgumentsError",
    "Compilation",
    "ConverterError",
    "Counts",
    "DescriptionError",
    "Diagnostic",
    "Severity",
    "ToolDefinition",
    "compile_description",
]
