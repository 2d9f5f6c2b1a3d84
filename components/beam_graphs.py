"""Builds Beam's graphs in a third less time: what Beam asks of the same object again is kept.

Enters: a stage's work. Leaves: the same graph, coders and options.

Beam asks each DoFn some ten times for its state and timers, and inspects every method of it each
time; it parses the options of a pipeline anew for each of the thousands of views of them. On small
data that was a third of what ingest, statistics and Transform took of the processor. Beam's own
functions, which these stand before, are their reference.
"""

from __future__ import annotations

import copy
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any
from unittest import mock

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core, userstate


@contextmanager
def answers_kept() -> Iterator[None]:
    """While it lasts, Beam answers from what it has answered before."""
    with (
        mock.patch.object(PipelineOptions, "view_as", keep_views()),
        mock.patch.object(userstate, "get_dofn_specs", keep_specs(userstate.get_dofn_specs)),
        mock.patch.object(
            core, "get_function_args_defaults", keep_arguments(core.get_function_args_defaults)
        ),
    ):
        yield


def keep_views() -> Callable[..., Any]:
    """`PipelineOptions.view_as`, which parses the same arguments for the same class once."""
    parsed: dict[Any, Any] = {}

    def kept(options: Any, view_class: Any) -> Any:
        # Without arguments of its own it reads those of the process.
        arguments = sys.argv if options._flags is None else options._flags
        key = view_class, tuple(arguments)
        if key not in parsed:
            parsed[key] = copy.deepcopy(view_class(options._flags)._visible_options)
        view = view_class.__new__(view_class)
        view._flags = options._flags
        # Options that are lists grow: views of other options must not see that.
        view._visible_options = copy.deepcopy(parsed[key])
        for name in view._visible_option_list():
            if name not in options._all_options:
                options._all_options[name] = getattr(view._visible_options, name)
        view._all_options = options._all_options
        return view

    return kept


def keep_specs(get_specs: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`get_dofn_specs`, which inspects each DoFn once."""
    known: Any = weakref.WeakKeyDictionary()

    def kept(dofn: Any) -> Any:
        if dofn not in known:
            known[dofn] = get_specs(dofn)
        return known[dofn]

    return kept


def keep_arguments(inspect: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`get_function_args_defaults`, which inspects each function once, whomever it is bound to."""
    known: dict[Any, Any] = {}

    def kept(function: Any) -> Any:
        if not isinstance(function, FunctionType | MethodType):
            return inspect(function)
        key = getattr(function, "__func__", function), isinstance(function, MethodType)
        if key not in known:
            known[key] = inspect(function)
        names, defaults = known[key]
        return list(names), list(defaults)

    return kept
