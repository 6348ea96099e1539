"""Ask for a probe: choose model, task and settings, see what is wrong with it, start it and watch it."""

import hashlib

import streamlit as st
from pydantic import ValidationError

from dashboard import job_view, queries
from domlora.errors import DomLoRAError
from domlora.jobs.spec import ProbeRequest
from domlora.models import BUILTIN_MODELS, is_ready, resolve
from domlora.paths import home
from domlora.probes.config import ProbeConfig
from domlora.tasks import builtin_tasks

OWN = "another one"
UPLOAD = "upload a file"
DEFAULT = ProbeConfig()

st.title("Launch a probe")
left, right = st.columns(2)
with left:
    choice = st.selectbox("Model", [*BUILTIN_MODELS, OWN], key="model", bind="query-params")
    model, revision = choice, None
    if choice == OWN:
        model = st.text_input(
            "Hub id, folder or .gguf file", key="own_model", bind="query-params", placeholder="org/name"
        )
        revision = st.text_input("Revision (Hub only, optional)", key="revision", bind="query-params") or None
    else:
        built_in = BUILTIN_MODELS[choice]
        ready = "on this machine" if is_ready(choice) else "will be fetched first"
        st.caption(f"{built_in.title}: {built_in.description}, {built_in.parameters / 1e6:.0f} M parameters, {ready}.")
with right:
    choice = st.selectbox("Task", [*builtin_tasks(), OWN, UPLOAD], key="task", bind="query-params")
    task = choice
    if choice == OWN:
        task = st.text_input("File, or Hub data set id", key="own_task", bind="query-params", placeholder="rows.jsonl")
    elif choice == UPLOAD:
        upload = st.file_uploader("JSON, JSONL, Parquet or CSV", key="upload")
        task = ""
        if upload is not None:
            content = upload.getvalue()
            path = home() / "uploads" / f"{hashlib.sha256(content).hexdigest()[:12]}-{upload.name}"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            task = str(path)
    else:
        st.caption(builtin_tasks()[choice].capitalize() + ".")

columns = st.columns(4)
settings = {
    "samples": columns[0].number_input("Samples", 1, None, DEFAULT.samples, key="samples", bind="query-params"),
    "max_length": columns[1].number_input(
        "Maximum tokens", 2, None, DEFAULT.max_length, key="max_length", bind="query-params"
    ),
    "rank": columns[2].number_input("Rank", 1, None, DEFAULT.rank, key="rank", bind="query-params"),
    "alpha": columns[3].number_input("Alpha", 0.1, None, DEFAULT.alpha, key="alpha", bind="query-params"),
}
with st.expander("More settings"):
    columns = st.columns(4)
    settings["estimator"] = columns[0].selectbox(
        "Estimator", ["expected", "projected"], key="estimator", bind="query-params"
    )
    settings["reduction"] = columns[1].selectbox(
        "Reduction", ["per_sample", "mean_gradient"], key="reduction", bind="query-params"
    )
    settings["split"] = columns[2].selectbox("Split", ["train", "validation", "test"], key="split", bind="query-params")
    settings["seed"] = columns[3].number_input("Seed", 0, None, DEFAULT.seed, key="seed", bind="query-params")
    columns = st.columns(4)
    settings["dtype"] = columns[0].selectbox(
        "Number type", ["auto", "float32", "bfloat16"], key="dtype", bind="query-params"
    )
    device = columns[1].text_input("Device", "auto", key="device", bind="query-params")
    settings["draws"] = 1
    if settings["estimator"] == "projected":
        settings["draws"] = columns[2].number_input("Draws of A", 1, None, 1, key="draws", bind="query-params")
    settings["rslora"] = columns[3].checkbox("rsLoRA scaling", key="rslora", bind="query-params")

problems = []
try:
    config = ProbeConfig(**settings)
except ValidationError as error:
    problems += [f"{e['loc'][0]}: {e['msg']}" for e in error.errors()]
    config = DEFAULT
name = model
if not model:
    problems.append("Name a model: a Hub id, a folder or a .gguf file.")
else:
    try:
        name = resolve(model, revision).name
    except DomLoRAError as error:
        problems.append(str(error))
if not task:
    problems.append("Choose a file with the task's rows.")
else:
    facts = queries.task_facts(task)
    if isinstance(facts, str):
        problems.append(facts)
    else:
        form, splits = facts
        rows = splits.get(config.split, 0)
        st.caption(
            f"Task: format {form}, " + ", ".join(f"{count} {split} rows" for split, count in splits.items()) + "."
        )
        if config.samples > rows:
            problems.append(
                f"{config.samples} samples asked for, but there are {rows} {config.split} rows: ask for fewer."
            )
for problem in problems:
    st.error(problem)
try:
    st.caption(
        queries.estimate(name, config.samples, config.max_length)
        or "No earlier measurement of this model to judge time by."
    )
    if st.button("Start", type="primary", key="start", disabled=bool(problems)):
        request = ProbeRequest(model=model, revision=revision, task=task, config=config, device=device)
        st.query_params["job"] = queries.submit(request).id
    if "job" in st.query_params:
        st.divider()
        job_view.show(st.query_params["job"])
except DomLoRAError as error:
    st.error(str(error))
