"""__TITLE__: a notebook as a web page with a form.

`pipulate app` made this program from __NOTEBOOK__; from here on it is yours. The notebook is read at every run, so go
on working on it. After a change of this file: __RESTART__

Who can use it: everyone who can connect can run the notebook with other values and download it, code included. By
itself it answers this machine only. To let others in, put a web server with a sign-in in front of it, and add the name
under which they reach it to HOSTS.
"""

import os

import fasthtml.common as fh
import uvicorn

# isort: split
from notebook_runner import FIT_FRAME, PROGRESS, Busy, Runner, as_it_goes, send

NOTEBOOK = "__NOTEBOOK__"
HOSTS = ["127.0.0.1", "localhost"]
KEEP = 20  # results that are kept in .pipulate/apps/: the newest ones

limits = {"at_once": 2, "minutes": 10, "output_mib": 20, "upload_mib": 100}
runner = Runner(NOTEBOOK, keep=KEEP, **limits)
app = fh.FastHTML(**runner.settings(HOSTS))


def page(title, *content):
    """Every page: its frame and its looks."""
    utf8, icon = fh.Meta(charset="utf-8"), fh.Link(rel="icon", href="data:,")
    fits = fh.Meta(name="viewport", content="width=device-width")
    head = fh.Head(utf8, fits, icon, fh.Title(title), fh.Style(STYLE))
    return fh.Html(head, fh.Body(fh.Main(fh.H1(title), *content)), lang="en")


def sorry(status, title, text):
    """A page instead of what was asked for."""
    content = page(title, fh.P(text), fh.A("To the form", href="/"))
    return fh.FtResponse(content, status_code=status)


def field(parameter, text, problem):
    """One line of the form: the question, what is filled in, what was wrong with it."""
    look = {"name": parameter.name, "aria-invalid": "true" if problem else None}
    if parameter.kind == "choice":
        options = [fh.Option(o, selected=o == text) for o in parameter.options()]
        control = fh.Select(*options, **look)
    elif parameter.kind == "str" and "\n" in text:
        control = fh.Textarea("\n" + text, rows=6, **look)
    else:
        control = fh.Input(**parameter.attributes(text), **look)
    note = fh.Small(parameter.note()) if parameter.note() else None
    alert = fh.Strong(problem, role="alert") if problem else None
    return fh.Label(fh.Span(parameter.label), control, note, alert)


def links(run):
    """What can be done with a result."""
    return fh.Nav(
        fh.A("Run again", href=f"/runs/{run.id}/again"),
        fh.A("Download as HTML", href=f"/runs/{run.id}/html", download=True),
        fh.A("Download as notebook", href=f"/runs/{run.id}/ipynb", download=True),
    )


def form(inputs, problems):
    """The first page. An address can fill it in: /?amount=500"""
    wanted = runner.form().parameters
    fields = [
        field(p, inputs.get(p.name, p.text()), problems.get(p.name)) for p in wanted
    ]
    sent = {"action": "/run", "method": "post", "enctype": "multipart/form-data"}
    return page(runner.title(), fh.Form(*fields, fh.Button("Run"), **sent))


@app.get("/")
def show(req):
    return form(req.query_params, {})


@app.post("/run")
async def run(req):
    try:
        begun, inputs, problems = await runner.submit(req)
    except Busy:
        return sorry(503, "Too many visitors", "Please try again in a few minutes.")
    if problems:
        return fh.FtResponse(form(inputs, problems), status_code=422)
    return fh.RedirectResponse(f"/runs/{begun.id}", 303)


@app.get("/runs/{id}")
async def watch(id: str):
    found = runner.find(id)
    if not found:
        return sorry(404, "No longer here", "Only the newest results are kept.")
    bounds = {"sandbox": "allow-scripts allow-popups", "title": "Result"}
    frame = fh.Iframe(src=f"/runs/{id}/result", **bounds)
    content = page(found.title, frame, fh.Script(FIT_FRAME), fh.Div(PROGRESS))
    return as_it_goes(found, content, links)


@app.get("/runs/{id}/again")
def again(id: str):
    found = runner.find(id)
    return form(found.inputs if found else {}, {})


@app.get("/runs/{id}/{what}")
async def result(id: str, what: str):
    return await send(runner.find(id), what, NOTEBOOK)


STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; accent-color: #2456a6; }
main { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; display: flex; flex-direction: column; gap: 1rem; }
form, label { display: grid; gap: 1rem; justify-items: start; grid-template-columns: minmax(0, 36rem); } label { gap: .25rem; justify-self: stretch; }
input, select, textarea, button { font: inherit; padding: .4rem .7rem; } textarea { width: 100%; box-sizing: border-box; }
button { background: #2456a6; color: #fff; border: 0; border-radius: .3rem; cursor: pointer; }
strong, [aria-invalid] { color: light-dark(#a3201d, #ff9d96); } [aria-invalid] { border: 1px solid; }
iframe { order: 1; width: 100%; height: 70vh; border: 0; background: #fff; border-radius: .4rem; }
nav { display: flex; flex-wrap: wrap; gap: 1rem; }
"""

if __name__ == "__main__":
    port = int(os.environ.get("PORT", "5001"))
    uvicorn.run(app, host="127.0.0.1", port=port, timeout_graceful_shutdown=1)
