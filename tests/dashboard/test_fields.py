"""The forms of Launch and Probes ask for fields of the settings, in the fields' own words and within their bounds."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from dashboard.shared import fields
from domlora.comparison.config import SweepConfig
from domlora.jobs.spec import ProbeRequest, SweepRequest
from domlora.probes.config import ProbeConfig
from domlora.ranking.singles import LEAST_MODULES, SINGLES
from domlora.settings import setting

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
PROBE = {
    "samples": "Samples", "max_length": "Maximum tokens", "rank": "Rank", "alpha": "Alpha", "estimator": "Estimator",
    "reduction": "Reduction", "split": "Split", "seed": "Seed", "dtype": "Number type", "device": "Device",
    "rslora": "rsLoRA scaling",
}  # fmt: skip
COMPARISON = {
    "samples": "Probe samples", "placements": "Placements", "rates": "Learning rates", "seeds": "Seeds",
    "steps": "Steps", "rank": "Rank", "alpha": "Alpha", "batch_size": "Batch size", "max_length": "Maximum tokens",
    "methods": "LoRA methods", "budget": "Budget (trainable parameters)", "allocation": "Ranks within a placement",
    "schedule": "Schedule", "warmup": "Warm-up (fraction of steps)", "train_rows": "Training rows",
    "validation_rows": "Validation rows", "test_rows": "Test rows", "evaluate_every": "Steps between evaluations",
    "accumulation": "Accumulated batches", "forgetting_rows": "Forgetting rows", "answers": "Sample answers",
    "data_seed": "Data seed", "energy_every": "Steps between energy maps", "energy_samples": "Samples of such a map",
    "dtype": "Number type", "device": "Device", "run_code": "Run generated code against the tests",
    "rate_seeds": "Seeds that choose the rate", "order": "Order of the data", "loss_mean": "Training loss",
    "dropout": "LoRA dropout", "patience": "Patience (evaluations)", "minutes": "Minutes",
    "gradient_checkpointing": "Gradient checkpointing",
}  # fmt: skip
SINGLE = {
    "rates": "Learning rates", "steps": "Steps", "samples": "Probe samples", "seeds": "Seeds", "rank": "Rank",
    "budget": "Budget (trainable parameters)", "batch_size": "Batch size", "validation_rows": "Validation rows",
    "test_rows": "Test rows", "max_length": "Maximum tokens", "data_seed": "Data seed",
}  # fmt: skip
FORMS = {
    "probe": (("launch", "Probe"), ProbeConfig, ProbeConfig(), PROBE),
    "comparison": (("launch", "Comparison"), SweepConfig, SweepConfig(), COMPARISON),
    "single modules": (("probes", None), SweepConfig, SINGLES, SINGLE),
}


def page(name: str, kind: str | None = None) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    if kind:
        app.query_params["kind"] = kind
    return app.switch_page(f"{name}/page.py").run()


def widgets(app: AppTest) -> dict:
    kinds = (
        app.number_input, app.text_input, app.selectbox, app.multiselect, app.checkbox, app.toggle,
    )  # fmt: skip
    return {widget.key: widget for kind in kinds for widget in kind}


@pytest.fixture(scope="module")
def drawn():
    """The widgets of every form, drawn once."""
    found = {}

    def of(form: str) -> dict:
        if form not in found:
            app = page(*FORMS[form][0])
            assert not app.exception
            found[form] = widgets(app)
        return found[form]

    return of


def field_of(form: str, key: str):
    """The field behind a widget."""
    model = FORMS[form][1]
    if key == "samples":
        model = ProbeConfig
    elif key == "device":
        model = ProbeRequest if form == "probe" else SweepRequest
    return setting(model, "learning_rates" if key == "rates" else key)


@pytest.mark.parametrize("form", FORMS)
def test_widgets_are_called_as_ever(drawn, form):
    labels = FORMS[form][3]
    assert {key: drawn(form)[key].label for key in labels} == labels


@pytest.mark.parametrize("form", FORMS)
def test_every_widget_says_what_its_field_says(drawn, form):
    for key in FORMS[form][3]:
        if key not in ("placements", "methods"):  # they list what can be chosen instead
            assert drawn(form)[key].proto.help.startswith(field_of(form, key).sentence), key


@pytest.mark.parametrize("form", FORMS)
def test_defaults_and_choices_are_those_of_the_settings(drawn, form):
    defaults, labels = FORMS[form][2:]
    for key in labels:
        widget, one = drawn(form)[key], field_of(form, key)
        if key in ("samples", "device"):
            assert widget.value == one.default
        elif key == "rates":
            assert tuple(map(float, widget.value.split(", "))) == defaults.learning_rates
        elif key != "placements":
            value = None if one.follows else getattr(defaults, key)
            assert widget.value == (list(value) if isinstance(value, tuple) else value), key
        if one.choices and key != "methods":
            assert widget.options == [one.words.get(choice, choice) for choice in one.choices]


def test_a_widget_keeps_within_the_bounds_of_its_field(drawn):
    for form, (_, _, _, labels) in FORMS.items():
        for key in labels:
            widget, one = drawn(form)[key], field_of(form, key)
            if one.low is not None and (form, key) != ("single modules", "test_rows"):
                assert widget.min == one.low, key
            if one.above is not None:
                assert one.above < widget.min <= one.above + 0.01, key
            if one.below is not None:
                assert one.below - 0.01 <= widget.max < one.below, key
    assert drawn("single modules")["test_rows"].min == 2
    assert drawn("single modules")["modules"].min == LEAST_MODULES


def test_what_the_settings_refuse_is_said_under_the_widgets_label():
    with pytest.raises(ValidationError) as refused:
        SweepConfig(max_length=1, learning_rates=())
    lines = fields.refused(refused.value, SweepConfig)
    assert [line.partition(":")[0] for line in lines] == ["Learning rates", "Maximum tokens"]
