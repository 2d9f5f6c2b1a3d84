"""What Beam is asked again, kept, beside Beam's own answers."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.coders import StrUtf8Coder
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions
from apache_beam.transforms import core, userstate
from apache_beam.transforms.userstate import BagStateSpec

from components.beam_graphs import answers_kept, keep_arguments, keep_specs


class Stateful(beam.DoFn):
    HELD = BagStateSpec("held", StrUtf8Coder())
    _HELD = beam.DoFn.StateParam(HELD)

    def process(self, element, held=_HELD):
        held.add(element)


class Stateless(beam.DoFn):
    def process(self, element, number=3, when=beam.DoFn.TimestampParam):
        yield element, number, when


def double(value, times=2):
    return value * times


@pytest.mark.parametrize("dofn", [Stateful(), Stateless(), core.CallableWrapperDoFn(double)])
def test_a_dofn_has_the_state_and_timers_that_beam_finds(dofn):
    get_specs = keep_specs(userstate.get_dofn_specs)

    assert [get_specs(dofn), get_specs(dofn)] == [userstate.get_dofn_specs(dofn)] * 2


def test_the_dofns_of_one_class_are_told_apart():
    get_specs = keep_specs(userstate.get_dofn_specs)
    plain = core.CallableWrapperDoFn(double)
    stateful = core.CallableWrapperDoFn(Stateful().process)

    assert get_specs(plain) == (set(), set())
    assert get_specs(stateful) == ({Stateful.HELD}, set())


@pytest.mark.parametrize("function", [double, Stateless().process, Stateless.process, len])
def test_a_function_has_the_arguments_that_beam_finds(function):
    get_arguments = keep_arguments(core.get_function_args_defaults)
    get_arguments(function)[0].append("a caller's own")

    assert get_arguments(function) == core.get_function_args_defaults(function)


def test_views_of_the_same_options_see_what_is_set_in_one():
    with answers_kept():
        options = PipelineOptions(["--streaming", "--experiments=one"])
        options.view_as(DebugOptions).add_experiment("two")
        options.view_as(StandardOptions).streaming = False

        assert options.view_as(DebugOptions).experiments == ["one", "two"]
        assert options.view_as(StandardOptions).streaming is False
        assert options.view_as(DebugOptions).get_all_options(drop_default=True) == {
            "experiments": ["one", "two"]
        }


def test_other_options_of_the_same_arguments_do_not_see_it():
    with answers_kept():
        PipelineOptions(["--experiments=one"]).view_as(DebugOptions).add_experiment("two")

        assert PipelineOptions(["--experiments=one"]).view_as(DebugOptions).experiments == ["one"]


def test_beam_answers_for_itself_again_afterwards():
    before = PipelineOptions.view_as, userstate.get_dofn_specs, core.get_function_args_defaults
    with answers_kept():
        assert core.get_function_args_defaults is not before[2]

    after = PipelineOptions.view_as, userstate.get_dofn_specs, core.get_function_args_defaults
    assert after == before
