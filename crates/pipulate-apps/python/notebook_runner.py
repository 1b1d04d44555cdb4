"""Runs a notebook for the visitors of a web page: reads its form, runs copies of it, shows what they print.

`pipulate app` wrote this file beside the program that shows the page. It needs only what JupyterLab and FastHTML
bring along, and works without Pipulate. Several programs of one folder can share it.

A visitor's values are data, never code: they reach the kernel as JSON, and take the place of the literals in the
notebook's parameters cell. Each run is a copy of the notebook in a kernel of its own.
"""

import ast
import asyncio
import base64
import ctypes
import fcntl
import hashlib
import html
import io
import json
import math
import os
import re
import secrets
import shutil
import signal
import subprocess
import symtable
import sys
import tempfile
import threading
import time
import tokenize
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from urllib.parse import quote, urlsplit

MEBIBYTE = 1 << 20
# A run whose page has been closed for so long is ended; a reload is quicker.
LEAVE_SECONDS = 5
# More visitors than these in line are asked to come back later.
WAITING = 20
# Characters of printed text that are gathered before the next block of it begins.
ONE_TEXT = 50_000
# Characters that an output counts beside its own: many small ones are a flood, too.
MESSAGE = 100
# Characters of printed text that the page shows of one output; a download has all.
LIVE_TEXT = 100_000


# --- The form: what the parameters cell asks for -------------------------------------------------------------


@dataclass
class Parameter:
    """One assignment of a literal: `amount: float = 10_000  # How much`."""

    name: str
    kind: str  # int, float, bool, str, date, datetime, choice or file
    default: object
    label: str
    start: tuple  # where its literal stands in the cell: line, and offset in bytes
    end: tuple
    choices: list = field(default_factory=list)
    optional: bool = False  # annotated as `float | None`: an empty field is None
    required: bool = False  # annotated only (`amount: float`): there is no default
    maker: str = ""  # how the notebook makes it, such as "date" or "pathlib.Path"; "" for a plain literal

    def text(self, value=...):
        """The value (the default if none is given) as a field shows it."""
        value = self.default if value is ... else value
        if value is None or value is False:
            return ""
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        if value is True:
            return "on"
        return value.isoformat() if isinstance(value, date) else str(value)

    def options(self):
        """What can be chosen, as text."""
        return [""] * self.optional + [str(choice) for choice in self.choices]

    def attributes(self, text):
        """What an <input> for it says."""
        if self.kind == "bool":
            return {"type": "checkbox", "checked": bool(text)}
        if self.kind == "file":
            return {"type": "file"}
        types = {"int": "number", "float": "number", "date": "date"}
        types["datetime"] = "datetime-local"
        # Other steps would count from what was typed: after 1.5, 2 would be refused.
        more = {"value": text, "step": "any"}
        return {"type": types.get(self.kind, "text")} | more

    def note(self):
        """What should stand below its field."""
        if self.kind == "file" and not self.required:
            return f"Without a file: {self.default or 'none'}"
        return ""

    def read(self, text):
        """Turns what was typed into a value of the right type.

        Raises ValueError with a sentence for the visitor.
        """
        if self.kind == "str":
            return None if self.optional and not text else text.replace("\r\n", "\n")
        if self.kind == "bool":
            return text.lower() in ("on", "true", "yes", "1")
        text = text.strip()
        if self.optional and not text:
            return None
        if self.kind == "choice":
            for choice in self.choices:
                if str(choice) == text:
                    return choice
            raise ValueError(f"Choose one of: {', '.join(map(str, self.choices))}")
        read, wanted = READERS[self.kind]
        try:
            return read(text)
        except (ValueError, OverflowError):
            raise ValueError(wanted) from None

    def source(self, value):
        """The value as Python, for the notebook that can be downloaded."""
        if value is None or not self.maker:
            return repr(str(value) if isinstance(value, Path) else value)
        if isinstance(value, datetime):
            parts = (
                value.timetuple()[:6]
                if value.second or value.microsecond
                else value.timetuple()[:5]
            )
            parts += (value.microsecond,) if value.microsecond else ()
        else:
            parts = value.timetuple()[:3] if isinstance(value, date) else (str(value),)
        return f"{self.maker}({', '.join(map(repr, parts))})"


@dataclass
class Form:
    """What a notebook asks its visitors for."""

    cell: int | None = None  # the index of the cell; None where there is no form
    tagged: bool = False  # whether the cell says `parameters` itself
    parameters: list = field(default_factory=list)
    # (text, why) of what is in the cell and in no form
    unusable: list = field(default_factory=list)


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _naive(text):
    moment = datetime.fromisoformat(text)
    if moment.tzinfo:
        raise ValueError
    return moment


READERS = {
    "int": (int, "Enter a whole number"),
    "float": (_finite, "Enter a number, such as 1.5"),
    "date": (date.fromisoformat, "Enter a date, such as 2026-03-01"),
    "datetime": (_naive, "Enter a date and a time, such as 2026-03-01T12:00"),
    "file": (Path, "Choose a file"),
}
MAKERS = {"date": date, "datetime": datetime, "Path": Path}
KINDS = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "date": date,
    "datetime": datetime,
    "Path": Path,
}


def source_of(cell):
    """A cell's text; notebooks may keep it as a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def is_tagged(cell, tag):
    return tag in (cell.get("metadata", {}).get("tags") or [])


def language_of(notebook):
    metadata = notebook.get("metadata", {})
    spec, info = metadata.get("kernelspec") or {}, metadata.get("language_info") or {}
    return str(spec.get("language") or info.get("name") or "python").lower()


def read_form(notebook):
    """Finds the cell tagged `parameters`, else a first code cell that only assigns literals."""
    if language_of(notebook) != "python":
        return Form()
    code = [
        (i, c) for i, c in enumerate(notebook["cells"]) if c.get("cell_type") == "code"
    ]
    for index, cell in code:
        if is_tagged(cell, "parameters"):
            return _form_of(index, source_of(cell), tagged=True)
    for index, cell in code:
        if source_of(cell).strip():
            form = _form_of(index, source_of(cell), tagged=False)
            return form if form.parameters else Form()
    return Form()


def plain_python(source):
    """The cell with IPython's own lines (`%matplotlib inline`, `!ls`) emptied, each line in its place."""
    if source.lstrip().startswith("%%"):
        magic = source.split(None, 1)[0]
        if magic not in ("%%time", "%%timeit", "%%capture", "%%prun"):
            return "".join("\n" for _ in source.splitlines())
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        ast.parse(source)
        return source
    source = re.sub(r"(?m)^([ \t]*[\w., ]+=[ \t]*)[%!].*$", r"\1None", source)
    return re.sub(r"(?m)^[ \t]*([%!?].*|[\w.]+\?+[ \t]*)$", "", source)


def _form_of(index, source, tagged):
    form, source = Form(index, tagged), plain_python(source)
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        why = f"it is not valid Python: {getattr(error, 'msg', None) or type(error).__name__}{where}"
        form.unusable.append(("the cell", why))
        return form
    comments = _comments(source)
    found = {}
    for node in statements:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, literal = node.target.id, node.value
        elif (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
        ):
            name, literal = node.targets[0].id, node.value
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a string that stands for a comment
        else:
            if not tagged:
                return Form()
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                form.unusable.append(
                    (
                        ast.unparse(node)[:60],
                        "a form field needs one name and one value",
                    )
                )
            continue
        try:
            kind, default, more = _understand(
                getattr(node, "annotation", None), literal
            )
        except _Computed:
            if not tagged:
                return Form()
            continue
        except ValueError as error:
            form.unusable.append((name, str(error)))
            continue
        end = literal or node.annotation
        end = (end.end_lineno, end.end_col_offset)
        start = (literal.lineno, literal.col_offset) if literal else end
        label = (
            comments.get(node.end_lineno)
            or name.replace("_", " ").strip().capitalize()
            or name
        )
        found.pop(name, None)  # of two assignments, the later one counts
        found[name] = Parameter(
            name, kind, default, label, start, end, required=literal is None, **more
        )
    form.parameters = list(found.values())
    return form


class _Computed(Exception):
    """The value is the result of a computation: nothing to ask a visitor for."""


def _literal(node):
    """The value of a literal, or of `date(2026, 3, 1)` and `Path("x.csv")`, and how it is made."""
    if isinstance(node, ast.Call) and not node.keywords:
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
        try:
            return MAKERS[name](*map(ast.literal_eval, node.args)), ast.unparse(
                node.func
            )
        except (KeyError, ValueError, TypeError):
            raise _Computed from None
    try:
        return ast.literal_eval(node), ""
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise _Computed from None


def _understand(annotation, literal):
    wanted, choices, optional = _annotated(annotation)
    default, maker = (None, "") if literal is None else _literal(literal)
    more = {"maker": maker, "optional": optional}
    if choices and (
        literal is None or default in choices or (default is None and optional)
    ):
        return "choice", default, more | {"choices": choices}
    if literal is None or default is None:
        if wanted is None:
            raise ValueError(
                "its type is unknown; say it, such as `limit: int | None = None`"
            )
        optional = optional or literal is not None
        maker = {"date": "date", "datetime": "datetime", "Path": "Path"}.get(wanted, "")
        kind = "file" if wanted == "Path" else wanted
        return kind, None, more | {"optional": optional, "maker": maker}
    if wanted == "float" and type(default) is int:
        default = float(default)
    if isinstance(default, Path) or (wanted == "Path" and isinstance(default, str)):
        return "file", default, more
    for kind in ("bool", "int", "float", "str", "datetime", "date"):
        if type(default) is KINDS[kind]:
            return kind, default, more
    raise ValueError(f"there is no field for a value of type {type(default).__name__}")


def _annotated(node):
    """What an annotation says: the name of a type, choices, and whether None will do."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        with suppress(SyntaxError, ValueError):
            return _annotated(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [
            side
            for side in (node.left, node.right)
            if getattr(side, "value", 0) is not None
        ]
        if len(sides) == 1:
            return _annotated(sides[0])[:2] + (True,)
    if isinstance(node, ast.Subscript):
        outer = getattr(node.value, "id", None) or getattr(node.value, "attr", "")
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if outer == "Literal" and all(isinstance(item, ast.Constant) for item in inner):
            values = [item.value for item in inner]
            return (
                None,
                [value for value in values if value is not None],
                None in values,
            )
        if outer in ("Optional", "Annotated"):
            name, choices, optional = _annotated(inner[0])
            return name, choices, optional or outer == "Optional"
    name = getattr(node, "id", None) or getattr(node, "attr", None)
    return (name if name in KINDS else None), [], False


def _comments(source):
    """The comment at the end of each line that could be a label."""
    found = {}
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            text = token.string.lstrip("#: ").strip()
            if token.type == tokenize.COMMENT and not re.match(
                r"(noqa|type:|pylint|ruff|fmt)", text
            ):
                found[token.start[0]] = text
    return found


def with_values(source, parameters, text_of):
    """The cell with other text in place of its literals; `text_of` gives it for each parameter."""
    lines = source.split("\n")
    for parameter in sorted(
        parameters, key=lambda parameter: parameter.start, reverse=True
    ):
        (first, begin), (last, end) = parameter.start, parameter.end
        before, after = (
            lines[first - 1].encode()[:begin].decode(),
            lines[last - 1].encode()[end:].decode(),
        )
        text = (" = " if parameter.required else "") + text_of(parameter)
        lines[first - 1 : last] = [before + text + after]
    return "\n".join(lines)


# Takes the values in the kernel. Only letters and digits of base64 are put into it.
TAKE_VALUES = """
def _form(text):
    import base64, datetime, json, pathlib
    make = {{
        "date": datetime.date.fromisoformat, "datetime": datetime.datetime.fromisoformat, "Path": pathlib.Path
    }}
    values = json.loads(base64.b64decode(text))
    return {{name: make.get(kind, lambda value: value)(value) for name, (kind, value) in values.items()}}
_form = _form("{}")
"""


def code_for_values(parameters, values):
    """What the kernel runs before the notebook, so that `_form["amount"]` is the visitor's amount."""
    packed = {}
    for parameter in parameters:
        value = values[parameter.name]
        kind = type(value).__name__ if isinstance(value, date) else ""
        if isinstance(value, Path):
            kind = "Path" if parameter.maker else ""
        packed[parameter.name] = (
            kind,
            str(value) if kind == "Path" or isinstance(value, Path) else value,
        )
    text = json.dumps(packed, default=lambda value: value.isoformat())
    return TAKE_VALUES.format(base64.b64encode(text.encode()).decode())


# --- What a notebook is about ---------------------------------------------------------------------------------


def heading_of(cell):
    """The first heading in a Markdown cell, without its marks."""
    if cell.get("cell_type") != "markdown":
        return None
    match = re.search(r"(?m)^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", source_of(cell))
    return (
        re.sub(r"[*_`]|!?\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).strip()
        if match
        else None
    )


def title_of(notebook, name):
    """The notebook's first heading, else the name of its file."""
    headings = (heading_of(cell) for cell in notebook["cells"])
    return next(
        (heading for heading in headings if heading), Path(name).stem.replace("_", " ")
    )


def part_of(notebook, index):
    """What a reader calls the place of a cell: the heading above it, else its number."""
    above = (heading_of(cell) for cell in reversed(notebook["cells"][: index + 1]))
    return next((heading for heading in above if heading), f"cell {index + 1}")


def kernel_of(notebook):
    return (notebook.get("metadata", {}).get("kernelspec") or {}).get(
        "name"
    ) or "python3"


class NoNotebook(Exception):
    """The notebook can't be read; says why."""


def is_notebook(content):
    """Whether JSON is a notebook, as far as this program looks into one."""
    metadata = content.get("metadata", {}) if isinstance(content, dict) else None
    if not isinstance(metadata, dict) or not isinstance(content.get("cells"), list):
        return False
    about = [metadata.get(key) or {} for key in ("kernelspec", "language_info")]
    for cell in content["cells"]:
        about.append(cell)
        about.append(cell.get("metadata", {}) if isinstance(cell, dict) else None)
    sources = [
        cell.get("source", "") for cell in content["cells"] if isinstance(cell, dict)
    ]
    lines = [
        line
        for source in sources
        for line in (source if isinstance(source, list) else [source])
    ]
    return all(isinstance(part, dict) for part in about) and all(
        isinstance(line, str) for line in lines
    )


def look_at(path):
    """What is in a notebook now, without its outputs."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise NoNotebook(f"{path.name} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    if not is_notebook(content):
        raise NoNotebook(f"{path.name} is not a notebook")
    for cell in content["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return content


# --- Kernels --------------------------------------------------------------------------------------------------


LIBC = ctypes.CDLL(None)


async def in_thread(function, *args):
    """As asyncio.to_thread does, but when the app ends, it does not wait for the thread."""
    loop = asyncio.get_running_loop()
    answer = loop.create_future()

    def settle(result, error):
        if not answer.done():
            answer.set_exception(error) if error else answer.set_result(result)

    def work():
        try:
            done = function(*args), None
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done = None, error
        with suppress(RuntimeError):  # the app ended
            loop.call_soon_threadsafe(settle, *done)

    threading.Thread(target=work, daemon=True).start()
    return await answer


def _end_with_parent():
    """In a new kernel: be killed when the app is, however that ends (Linux)."""
    if hasattr(LIBC, "prctl"):
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class NoKernel(Exception):
    """A notebook's kernel can't be had; says why."""


class Kernel:
    """A kernel of its own for one run, on private sockets."""

    @classmethod
    async def start(cls, notebook, folder):
        """Starts the kernel that a notebook names.

        Raises NoKernel if there is none.
        """
        from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, NoSuchKernel
        from jupyter_client.manager import AsyncKernelManager

        self = cls()
        self.name, self.sockets = (
            kernel_of(notebook),
            tempfile.mkdtemp(prefix="notebook-"),
        )
        manager = AsyncKernelManager(
            kernel_name=self.name, connection_file=f"{self.sockets}/kernel.json"
        )
        self.manager, self.client, self.said = manager, None, b""
        try:
            language = manager.kernel_spec.language.lower()
        except NoSuchKernel:
            if language_of(notebook) != "python":
                await self.end()
                raise NoKernel(f"Its kernel is not installed: {self.name}") from None
            # Made elsewhere: a Python notebook runs in this environment.
            manager.kernel_name, language = NATIVE_KERNEL_NAME, "python"
        extra = ["--HistoryManager.hist_file=:memory:"] if language == "python" else []
        if language in ("python", "r", "julia"):  # other kernels may know TCP alone
            manager.transport, manager.ip = "ipc", f"{self.sockets}/k"
        try:
            await self._launch(cwd=str(folder), extra_arguments=extra)
            self.client = manager.client()
            self.client.start_channels()
            await self.client.wait_for_ready(timeout=60)
            self.client.allow_stdin = False
            self._share_time()
        except BaseException as error:
            await self.end()
            if not isinstance(error, Exception):
                raise
            words = f"{self.said.decode(errors='replace')}\n{self.name}: {error}"
            print(words.strip(), file=sys.stderr, flush=True)
            raise NoKernel(
                f"Its kernel did not start: {self.name}; the log of the app says why"
            ) from error
        return self

    async def _launch(self, **options):
        """Starts its process. What that says outside of its outputs is kept, the end of it.

        In the app's log, a visitor's flood would take the place of everything else.
        """
        ours, theirs = os.pipe()
        loop = asyncio.get_running_loop()

        def read():
            if said := os.read(ours, 1 << 16):
                self.said = (self.said + said)[-2000:]
            else:
                loop.remove_reader(ours)
                os.close(ours)

        loop.add_reader(ours, read)
        options |= {"preexec_fn": _end_with_parent, "stdout": subprocess.DEVNULL}
        # Plotly would send figures that only JupyterLab can show.
        options["env"] = {"PLOTLY_RENDERER": "notebook"} | dict(os.environ)
        try:
            await self.manager.start_kernel(stderr=theirs, **options)
        finally:
            os.close(theirs)

    def _share_time(self):
        """Lets the other visitors have a turn between two outputs; a flood of them leaves none by itself."""
        channel = self.client.iopub_channel
        take = channel.get_msg

        async def get_msg(*args, **more):
            await asyncio.sleep(0)
            return await take(*args, **more)

        channel.get_msg = get_msg

    async def end(self):
        """Ends the kernel and what it started."""
        if self.client:
            self.client.stop_channels()
        if self.manager.has_kernel:
            with suppress(ProcessLookupError, PermissionError, TypeError):
                os.killpg(self.manager.provisioner.pid, signal.SIGKILL)
            await self.manager.shutdown_kernel(now=True)
        shutil.rmtree(self.sockets, ignore_errors=True)


def _client_class():
    """A notebook client that tells its run of each output; made when it is needed, for it is slow to import."""
    from nbclient import NotebookClient

    class Client(NotebookClient):
        def __init__(self, run, kernel):
            super().__init__(run.notebook, km=kernel.manager, timeout=None)
            self.run, self.kc = run, kernel.client
            self.reset_execution_trackers()

        def process_message(self, msg, cell, cell_index):
            content = msg["content"]
            sizes = map(_size, (content.get("data") or {}).values())
            self.run.printed += MESSAGE + len(content.get("text") or "") + sum(sizes)
            try:
                return super().process_message(msg, cell, cell_index)
            finally:
                if msg["msg_type"] not in ("status", "execute_input"):
                    self.run.tell()

        def output(self, outs, msg, display_id, cell_index):
            if self.run.printed > self.run.output_limit:
                return None  # it is about to be stopped
            out = super().output(outs, msg, display_id, cell_index)
            if out and out.output_type == "stream":
                before = (
                    outs[-2]
                    if len(outs) > 1 and outs[-2].output_type == "stream"
                    else None
                )
                if before and before.name == out.name and len(before.text) < ONE_TEXT:
                    out.text = outs.pop(-2).text + out.text
                out.text = overdrawn(out.text)
            return out

    return Client


def overdrawn(text):
    """The text as a terminal would show it: what follows a carriage return takes the place of its line."""
    if "\r" not in text:
        return text
    ends = ((line, line.rstrip("\r")) for line in text.split("\n"))
    return "\n".join(
        shown.rpartition("\r")[2] + line[len(shown) :] for line, shown in ends
    )


def _size(value):
    return len(value) if isinstance(value, str) else len(json.dumps(value))


# --- Runs -----------------------------------------------------------------------------------------------------


# What IPython prints after `sys.exit()`.
ADVICE_TO_EXIT = r".*: UserWarning: To exit: use 'exit'.*\n.*\n?"


class Stopped(Exception):
    """A run was ended before its last cell; says why."""


class Busy(Exception):
    """Too many visitors are in line."""


# What is kept of a run beside its notebook.
KEPT = ("title", "inputs", "state", "problem", "seconds", "cell")


class Run:
    """One visitor's run, while it waits, works, and after it."""

    def __init__(self, identity, folder, title, inputs):
        self.id, self.folder, self.title, self.inputs = identity, folder, title, inputs
        self.home, self.notebook = None, None
        self.printed, self.output_limit = 0, 0
        self.place, self.cell, self.began, self.seconds = 1, -1, None, 0.0
        self.state = "waiting"  # then running; then done, failed or stopped
        self.problem, self.left = None, False
        self.watchers, self.seen, self._news = 0, time.monotonic(), asyncio.Event()

    @property
    def finished(self):
        return self.state in ("done", "failed", "stopped")

    def tell(self):
        """Wakes those who watch."""
        self._news.set()
        self._news = asyncio.Event()

    def stop_if_left(self):
        """Ends it when its visitor left; a reload is quicker than that."""
        if not self.watchers and time.monotonic() - self.seen > LEAVE_SECONDS:
            self.left = True
            raise Stopped("The visitor left")

    async def watch(self):
        """Yields at every change, and at least once a second, until the run is finished."""
        self.watchers += 1
        try:
            while True:
                news, finished = self._news, self.finished
                yield
                if finished:
                    return
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), 1)
        finally:
            self.watchers -= 1
            self.seen = time.monotonic()

    def progress(self):
        """A sentence about how far it is."""
        if self.state == "waiting":
            return f"Waiting: number {self.place} in line"
        if self.state == "done":
            return f"Done in {self.seconds:.1f} s"
        if self.finished:
            return self.problem
        seconds = int(time.monotonic() - self.began)
        if self.cell < 0:
            return "Starting"
        code = [
            i for i, cell in enumerate(self.notebook.cells) if cell.cell_type == "code"
        ]
        number = sum(i <= self.cell for i in code)
        return f"Step {number} of {len(code)}: {part_of(self.notebook, self.cell)} ({seconds} s)"


class Runner:
    """Runs one notebook: some visitors at once, the others in line; keeps the newest results."""

    def __init__(
        self, notebook, *, keep=20, at_once=2, minutes=10, output_mib=20, upload_mib=100
    ):
        self.path = Path(notebook).resolve()
        self.keep, self.at_once, self.minutes = keep, at_once, minutes
        self.output_limit, self.upload_limit = (
            output_mib * MEBIBYTE,
            upload_mib * MEBIBYTE,
        )
        name = (
            re.sub(r"\W+", "-", self.path.stem)
            + "-"
            + hashlib.sha256(bytes(self.path)).hexdigest()[:6]
        )
        self.folder = Path(".pipulate/apps").resolve() / name
        self.line, self.active, self.tasks = [], {}, set()
        self.spare, self.seen = None, (None, None)

    def settings(self, hosts):
        """What FastHTML is told: our limits and checks, and no sessions and scripts from elsewhere."""
        from starlette.middleware import Middleware

        guard = Middleware(Guard, hosts=hosts, limit=self.upload_limit + MEBIBYTE)
        plain = {
            "default_hdrs": False,
            "canonical": False,
            "sess_cls": None,
            "secret_key": "no sessions",
        }
        plain["exception_handlers"] = {NoNotebook: _say_why}
        return {
            "middleware": [guard],
            "on_startup": [self.open],
            "on_shutdown": [self.close],
        } | plain

    def look(self):
        """The notebook as it is now, for its form and its title; not to be changed."""
        with suppress(OSError):
            status = self.path.stat()
            version = status.st_mtime_ns, status.st_size, status.st_ino
            if self.seen[0] != version:
                self.seen = version, look_at(self.path)
            return self.seen[1]
        return look_at(self.path)

    def form(self):
        return read_form(self.look())

    def title(self):
        return title_of(self.look(), self.path)

    def _load(self):
        """A copy of the notebook, to be run."""
        import nbformat

        return nbformat.reads(json.dumps(self.look()), as_version=4)

    def find(self, identity):
        """A run by its link: one that is under way, or one of those kept."""
        if identity in self.active:
            return self.active[identity]
        if not re.fullmatch(r"[A-Za-z0-9_-]{22}", identity):
            return None
        import nbformat

        try:
            kept = json.loads((self.folder / identity / "run.json").read_text())
            run = Run(identity, self.folder / identity, kept["title"], kept["inputs"])
            notebook = (run.folder / "notebook.ipynb").read_bytes()
            run.notebook = nbformat.from_dict(json.loads(notebook))
            for name in KEPT:
                setattr(run, name, kept[name])
        except (OSError, ValueError, KeyError):
            return None
        run.home = self.path.parent
        return run

    # From a visitor's form to a run

    async def submit(self, request):
        """Reads a form that was sent. Returns a run, or what was typed and what is wrong with it.

        Raises Busy if too many are waiting.
        """
        notebook = await in_thread(self._load)
        form = read_form(notebook)
        if sum(run.state == "waiting" for run in self.line) >= WAITING:
            raise Busy
        sent = await request.form()
        values, inputs, problems, uploads = {}, {}, {}, {}
        for parameter in form.parameters:
            name, given = parameter.name, sent.get(parameter.name)
            if parameter.kind == "bool":
                values[name], inputs[name] = parameter.read(given or ""), given or ""
            elif parameter.kind == "file" and hasattr(given, "filename"):
                values[name], inputs[name] = parameter.default, ""
                if given.filename:
                    uploads[name] = given
                elif parameter.required:
                    problems[name] = "Choose a file"
            elif (
                parameter.kind == "file" or given is None or not isinstance(given, str)
            ):
                values[name], inputs[name] = parameter.default, parameter.text()
                if parameter.required:
                    problems[name] = "This field is missing"
            else:
                inputs[name] = given
                try:
                    values[name] = parameter.read(given)
                except ValueError as error:
                    problems[name] = str(error)
        if problems:
            return None, inputs, problems
        run = await self._begin(notebook, form, values, inputs, uploads)
        return run, inputs, problems

    async def _begin(self, notebook, form, values, inputs, uploads):
        identity = secrets.token_urlsafe(16)
        folder = self.folder / identity
        folder.mkdir(parents=True, mode=0o700)
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        for parameter in form.parameters:
            if upload := uploads.get(parameter.name):
                target = folder / "files" / parameter.name / _safe_name(upload.filename)
                target.parent.mkdir(parents=True)
                with target.open("wb") as file:
                    await in_thread(shutil.copyfileobj, upload.file, file, MEBIBYTE)
                values[parameter.name] = target
                inputs[parameter.name] = target.name
        run = Run(identity, folder, title_of(notebook, self.path), inputs)
        run.home, run.notebook = self.path.parent, notebook
        run.output_limit = self.output_limit
        run.lock = lock
        self.active[identity] = run
        self.line.append(run)
        task = asyncio.create_task(self._carry_out(run, form, values))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return run

    async def _carry_out(self, run, form, values):
        kernel = None
        try:
            while (place := self.line.index(run)) >= self.at_once:
                run.stop_if_left()
                run.place = place - self.at_once + 1
                run.tell()
                await asyncio.sleep(0.25)
            run.state, run.began = "running", time.monotonic()
            run.tell()
            kernel = await self._take_kernel(run.notebook)
            await self._execute(run, kernel, form, values)
            run.state = "done"
        except Stopped as reason:
            run.state, run.problem = "stopped", str(reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, the visitor is told
            run.state, run.problem = "failed", _in_words(run, error)
        finally:
            if not run.finished:  # the app ends
                run.state, run.problem = "stopped", "The app was stopped"
            run.seconds = time.monotonic() - (run.began or time.monotonic())
            self.line.remove(run)
            await asyncio.shield(
                asyncio.gather(
                    kernel.end() if kernel else asyncio.sleep(0), return_exceptions=True
                )
            )
            shutil.rmtree(run.folder / "files", ignore_errors=True)
            self._keep(run, form, values)
            os.close(run.lock)
            run.tell()

    async def _execute(self, run, kernel, form, values):
        """Runs the cells, and looks meanwhile whether the run has to end."""
        cells = asyncio.create_task(self._run_cells(run, kernel, form, values))
        deadline = run.began + self.minutes * 60
        try:
            while not cells.done():
                await asyncio.wait({cells}, timeout=0.25)
                if run.printed > self.output_limit:
                    raise Stopped(
                        f"It was stopped: it showed more than {self.output_limit // MEBIBYTE} MiB"
                    )
                if not cells.done() and time.monotonic() > deadline:
                    raise Stopped(
                        f"It was stopped: it took longer than {self.minutes:g} minutes"
                    )
                if not cells.done():
                    run.stop_if_left()
            cells.result()
        finally:
            cells.cancel()
            await asyncio.gather(kernel.end(), cells, return_exceptions=True)

    async def _run_cells(self, run, kernel, form, values):
        from nbclient.exceptions import CellExecutionError

        client = _client_class()(run, kernel)
        if form.parameters:
            kernel.client.execute(
                code_for_values(form.parameters, values),
                silent=True,
                store_history=False,
            )
        for index, cell in enumerate(run.notebook.cells):
            if cell.cell_type != "code":
                continue
            run.cell = index
            run.tell()
            written = cell.source
            if index == form.cell:
                cell.source = with_values(
                    written, form.parameters, lambda p: f"_form[{p.name!r}]"
                )
            try:
                await client.async_execute_cell(cell, index, store_history=False)
            except CellExecutionError as error:
                if error.ename != "SystemExit" or error.evalue not in ("", "0", "None"):
                    raise
                # `sys.exit()` is an end that the notebook's owner wants.
                cell.outputs = [o for o in cell.outputs if o.output_type != "error"]
                for output in cell.outputs:
                    if output.output_type == "stream":
                        output.text = re.sub(ADVICE_TO_EXIT, "", output.text)
                break
            finally:
                cell.source = written
        run.cell = len(run.notebook.cells)

    async def _take_kernel(self, notebook):
        """The spare kernel, if it is the right one and alive, else a new one; then a next one is made ready."""
        spare, self.spare = self.spare, None
        kernel = await spare if spare else None
        if kernel and (
            kernel.name != kernel_of(notebook) or not await kernel.manager.is_alive()
        ):
            await kernel.end()
            kernel = None
        kernel = kernel or await Kernel.start(notebook, self.path.parent)
        self._make_spare(notebook)
        return kernel

    def _make_spare(self, notebook):
        if self.spare is None:
            self.spare = asyncio.create_task(self._try_to_start(notebook))

    async def _try_to_start(self, notebook):
        with suppress(NoKernel):  # the next run starts one, and says why it can't
            return await Kernel.start(notebook, self.path.parent)

    def _keep(self, run, form, values):
        """Writes down what came of a run; the oldest of too many go."""
        del self.active[run.id]
        if run.left or run.began is None:
            shutil.rmtree(run.folder, ignore_errors=True)
            return
        if form.parameters:
            cell = run.notebook.cells[form.cell]
            cell.source = with_values(
                cell.source, form.parameters, lambda p: p.source(values[p.name])
            )
        kept = {name: getattr(run, name) for name in KEPT}
        with suppress(OSError):
            # In one line: nbformat takes seconds for the same, and everyone would wait.
            (run.folder / "notebook.ipynb").write_text(json.dumps(run.notebook))
            (run.folder / "run.json").write_text(json.dumps(kept))
        self._tidy()

    def _tidy(self):
        """Removes what an earlier instance left unfinished, and results beyond those kept."""
        folders = list(self.folder.glob("*"))
        kept = [folder for folder in folders if (folder / "run.json").is_file()]
        kept.sort(
            key=lambda folder: (folder / "run.json").stat().st_mtime, reverse=True
        )
        for folder in set(folders) - set(kept[: self.keep]):
            if not _is_locked(folder):  # another app of this notebook may be running it
                shutil.rmtree(folder, ignore_errors=True)

    async def open(self):
        """When the app starts: a kernel is made ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.parent.parent.chmod(0o700)
        self._tidy()
        self.tasks.add(asyncio.create_task(in_thread(_import_what_is_slow)))
        try:
            self._make_spare(self.look())
        except NoNotebook as reason:
            print(reason, file=sys.stderr, flush=True)

    async def close(self):
        """When the app ends: no kernel is left."""
        tasks = [*self.tasks] + [self.spare] * (self.spare is not None)
        for task in tasks:
            task.cancel()
        for kernel in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(kernel, Kernel):  # the spare one
                await kernel.end()


def _is_locked(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _safe_name(name):
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    name = re.sub(r"[\x00-\x1f\x7f]", "", name).encode("utf-8", "ignore")[-200:]
    return name.decode("utf-8", "ignore").lstrip(".") or "file"


def _in_words(run, error):
    """What a visitor reads about an error."""
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    where = part_of(run.notebook, run.cell) if run.cell >= 0 else "its start"
    if isinstance(error, CellExecutionError):
        said = [error.ename, re.sub(r"\(\d+\.py, line", "(line", error.evalue)]
        if error.ename == "NoneType":  # the value of the cell could not be shown
            outputs = run.notebook.cells[run.cell].outputs
            lines = [line for o in outputs for line in o.get("traceback") or [] if line]
            said = [without_colors(line) for line in lines[-1:]]
        return f"It stopped at “{where}”: {': '.join(filter(None, said))}"[:500]
    if isinstance(error, NoKernel):
        return str(error)
    if isinstance(error, DeadKernelError):
        return f"It stopped at “{where}”: Python ended unexpectedly, perhaps for want of memory"
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return f"It stopped at “{where}”: {type(error).__name__}"


# --- What a visitor sees ----------------------------------------------------------------------------------------


def _import_what_is_slow():
    import nbconvert  # noqa: F401

    _client_class()
    _exporter()


def _exporter():
    from nbconvert import HTMLExporter

    hidden = {
        "exclude_input": True,
        "exclude_input_prompt": True,
        "exclude_output_prompt": True,
    }
    return HTMLExporter(template_name="basic", **hidden)


def _say_why(request, reason):
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(str(reason), 503)


async def as_file(run):
    """The whole result as one HTML file, without the code."""
    title = html.escape(run.title)
    head = f"{RESULT_HEAD}<title>{title}</title><h1>{title}</h1>"
    pieces = _news(await in_thread(_exporter), run, {}, whole=True)
    return head + "".join([piece async for piece in pieces])


def _as_html(exporter, notebook, cell, folder=None):
    """One cell without its code, with the pictures of a folder if there is one."""
    import nbformat

    about = {"nbformat": 4, "nbformat_minor": 5, "metadata": notebook.metadata}
    part = nbformat.from_dict(about | {"cells": [cell]})
    exporter.embed_images = folder is not None
    resources = {"metadata": {"path": str(folder or "")}}
    return exporter.from_notebook_node(part, resources)[0]


def without_colors(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


# What Python says of objects that have nothing to show: `[<matplotlib.lines.Line2D at 0x7f3c5a>]`.
BARE_OBJECTS = re.compile(r"\[?(<[\w.]+[^<>]* at 0x[0-9a-f]+>,?\s*)+\]?")


def for_visitors(output):
    """An output without what means something beside its code only, and without LaTeX where there is better text."""
    data = dict(output.get("data") or {})
    plain = data.get("text/plain", "")
    if list(data) == ["text/plain"] and BARE_OBJECTS.fullmatch(plain.strip()):
        return None
    if "text/latex" in data and plain and not plain.startswith("<"):
        del data["text/latex"]
        return type(output)(output | {"data": data})
    return output


def _output_as_html(exporter, notebook, index, output, whole):
    import nbformat

    if not (output := for_visitors(output)):
        return ""
    if output.output_type == "error":
        lines = without_colors("\n".join(output.get("traceback") or []))
        lines = lines.splitlines()
        last = "\n".join([line for line in lines if line.strip()][-8:])
        where = html.escape(part_of(notebook, index))
        return f'<h3 class="error">Stopped at “{where}”</h3><pre class="error">{html.escape(last)}</pre>'
    if output.output_type == "stream" and len(output.text) > LIVE_TEXT and not whole:
        output = nbformat.from_dict(
            output | {"text": f"(the last part)\n{output.text[-LIVE_TEXT:]}"}
        )
    return _as_html(exporter, notebook, nbformat.v4.new_code_cell(outputs=[output]))


RESULT_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><style>
body{display:flex;flex-direction:column;margin:0;font:16px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff}
body>div{overflow-x:auto}pre{margin:.5em 0;font-size:14px;white-space:pre-wrap}img,svg{max-width:100%}
table{border-collapse:collapse;margin:.5em 0;font-size:14px}td,th{padding:.25em .6em;text-align:right}
tbody tr:nth-child(odd){background:#f4f6f8}.error{color:#a3201d}pre.error{border-left:3px solid;padding-left:.8em}
.anchor-link,body>div:first-of-type h1:first-child{display:none}
@media(prefers-color-scheme:dark){body{padding:0 1rem}}</style>
<script>new ResizeObserver(()=>parent.postMessage(document.documentElement.offsetHeight,"*"))
.observe(document.documentElement)</script>"""


async def result(run):
    """Yields the result as HTML, piece by piece as it comes; a piece can take the place of an earlier one."""
    exporter = await in_thread(_exporter)
    yield RESULT_HEAD
    shown = {}
    async for _ in run.watch():
        size = 0
        async for piece in _news(exporter, run, shown):
            size += len(piece)
            yield piece
        if size and not run.finished:
            await asyncio.sleep(min(2, 0.2 + size / 1e6))


async def _news(exporter, run, shown, whole=False):
    """Yields what is not shown yet.

    `shown` has for each place in the notebook the digest and number of what is there.
    """
    there = set()
    cells = run.notebook.cells[: run.cell + 1] if run.cell >= 0 else []
    for index, cell in enumerate(cells):
        # Only what the notebook's owner wrote brings files of his folder along.
        if is_text := cell.cell_type == "markdown":
            parts = [cell.source]
        else:
            parts = list(cell.get("outputs", []))
        for number, part in enumerate(parts):
            place = (index, number)
            there.add(place)
            content = part if is_text else json.dumps(part, sort_keys=True)
            digest = hashlib.sha256(content.encode("utf-8", "replace")).digest()
            known, version = shown.get(place, (None, 0))
            if known == digest:
                continue
            if is_text:
                render = partial(_as_html, exporter, run.notebook, cell, run.home)
            else:
                render = partial(_output_as_html, exporter, run.notebook, index, part)
                render = partial(render, whole)
            # One by one: the app can end in between.
            content = await in_thread(render)
            shown[place] = (digest, version + 1)
            order = f'style="order:{index * 1000 + min(number, 999)}"'
            new = f'<div id="o{index}-{number}-{version + 1}" {order}>{content}</div>'
            yield f"{_hide(place, version) if version else ''}{new}\n"
    for place in set(shown) - there:  # cleared
        if shown[place][0]:
            yield _hide(place, shown[place][1])
            shown[place] = (None, shown[place][1])


def _hide(place, version):
    return f"<style>#o{place[0]}-{place[1]}-{version}{{display:none}}</style>"


# Where in a page the progress of a run stands; no title holds this.
PROGRESS = f"#progress-{secrets.token_hex(8)}#"
FIT_FRAME = """addEventListener("message", ({source, data}) => {
    const frame = document.querySelector("iframe");
    if (source === frame.contentWindow && data > 0) frame.style.height = `${Math.min(data + 24, 60000)}px`;
})"""


def as_it_goes(run, page, links):
    """The page as an answer that goes on until the run is finished, so that it needs no script and no reload.

    In place of PROGRESS, each sentence about the run takes the place of the one before; at the end stand the links.
    """
    from fasthtml.common import to_xml
    from starlette.responses import StreamingResponse

    async def pieces():
        head, foot = to_xml(page).split(PROGRESS)
        yield head
        last, number = None, 0
        async for _ in run.watch():
            if (sentence := run.progress()) != last:
                last, number = sentence, number + 1
                # Not by `:last-of-type`, which fits nothing before a page is complete.
                hidden = f"<style>#step-{number - 1}{{display:none}}</style>"
                shown = f'<span class="step" id="step-{number}">{html.escape(sentence)}</span>'
                yield f"{hidden}{shown}\n"
        yield to_xml(links(run)) + foot

    return StreamingResponse(pieces(), media_type="text/html", headers=AS_IT_COMES)


# The second one is for nginx.
AS_IT_COMES = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def send(run, what, name):
    """Answers with a result: to be looked at, as one HTML file, or as the notebook that was run."""
    from starlette import responses

    sandbox = {
        "Content-Security-Policy": "sandbox allow-scripts allow-popups; frame-ancestors 'self'"
    }
    if run and what == "result":
        return responses.StreamingResponse(
            result(run), media_type="text/html", headers=AS_IT_COMES | sandbox
        )
    if not run or not run.finished or what not in ("html", "ipynb"):
        return responses.PlainTextResponse("There is no such result", 404)
    if what == "ipynb":
        return responses.FileResponse(
            run.folder / "notebook.ipynb", filename=Path(name).name
        )
    whole = await as_file(run)
    file = f"filename*=UTF-8''{quote(Path(name).stem)}.html"
    return responses.HTMLResponse(
        whole, headers=sandbox | {"Content-Disposition": f"attachment; {file}"}
    )


# --- Who may ask ------------------------------------------------------------------------------------------------


class Guard:
    """Answers requests to this app's own names only, and takes neither forms of other sites nor endless ones."""

    def __init__(self, app, hosts, limit):
        self.app, self.hosts, self.limit = app, set(hosts), limit

    async def __call__(self, scope, receive, send):
        from starlette.datastructures import Headers, MutableHeaders
        from starlette.exceptions import HTTPException
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers, taken = Headers(scope=scope), 0
        host, origin = headers.get("host", ""), headers.get("origin")
        if re.sub(r":\d+$", "", host) not in self.hosts:
            answer = PlainTextResponse(
                "This is not the name of this app; see HOSTS in its program", 400
            )
            return await answer(scope, receive, send)
        is_foreign = origin and urlsplit(origin).netloc != host
        if scope["method"] not in ("GET", "HEAD") and (
            is_foreign or headers.get("sec-fetch-site") == "cross-site"
        ):
            return await PlainTextResponse("Forms of other sites are not taken", 403)(
                scope, receive, send
            )
        announced, too_much = (
            headers.get("content-length", "0"),
            f"Send at most {self.limit // MEBIBYTE} MiB",
        )
        if (
            not announced.isdecimal()
            or len(announced) > 15
            or int(announced) > self.limit
        ):
            return await PlainTextResponse(too_much, 413)(scope, receive, send)

        async def bounded():
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limit:  # it may have announced less, or nothing
                raise HTTPException(413, too_much)
            return message

        async def guarded(message):
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added["X-Content-Type-Options"] = "nosniff"
                added["Referrer-Policy"] = "same-origin"
                added.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
            await send(message)

        # The app ends, and cuts off answers that go on.
        with suppress(asyncio.CancelledError):
            await self.app(scope, bounded, guarded)


# --- For `pipulate app`: what can be said before the first run --------------------------------------------------


WIDGETS = ("ipywidgets", "bqplot", "ipyleaflet", "ipympl", "ipyvolume", "pythreejs")
LIVE_PLOTS = r"(?m)^[ \t]*%matplotlib[ \t]+(widget|ipympl|notebook|nbagg)\b"
QUESTIONS = ("builtins.input", "getpass.getpass")
# What an app needs beside what the notebook imports.
NEEDED = ("fasthtml", "ipykernel", "nbclient", "nbconvert")


def describe(notebook, name, folder=None):
    """Says as JSON what is in a notebook; with its folder, also which modules this Python lacks for it."""
    form = read_form(notebook)
    cells = [
        (i + 1, source_of(cell))
        for i, cell in enumerate(notebook["cells"])
        if cell.get("cell_type") == "code"
    ]
    is_python = language_of(notebook) == "python"
    trees = {number: _parsed(source) for number, source in cells if is_python}
    imported = {
        name: full for tree in trees.values() for name, full in _imports(tree).items()
    }
    has_input = any(_defines_input(tree) for tree in trees.values())
    widgets, questions = [], []
    for number, source in cells:
        tree = trees.get(number, ast.Module([], []))
        names = {*_full_names(tree, imported), *_imports(tree).values()}
        roots = {full.split(".")[0] for full in names}
        if roots & set(WIDGETS) or re.search(LIVE_PLOTS, source):
            widgets.append(number)
        if names & set(QUESTIONS) or (not has_input and _uses_input(tree)):
            questions.append(number)
    ascii_name = (
        unicodedata.normalize("NFKD", Path(name).stem)
        .encode("ascii", "ignore")
        .decode()
    )
    return {
        "title": title_of(notebook, name),
        "ascii_name": ascii_name,
        "language": language_of(notebook),
        "kernel": kernel_of(notebook),
        "cells": len(cells),
        "form_cell": None if form.cell is None else form.cell + 1,
        "tagged": form.tagged,
        "fields": [
            {"name": p.name, "kind": p.kind, "label": p.label} for p in form.parameters
        ],
        "unusable": [{"text": text, "why": why} for text, why in form.unusable],
        "widgets": widgets,
        "questions": questions,
        "missing": _missing(trees.values(), [s for _, s in cells], folder)
        if folder
        else [],
    }


def _parsed(source):
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.parse(plain_python(source))
    return ast.Module([], [])


def _imports(tree):
    """What the names that are imported stand for: after `import numpy as np`, `np` is `numpy`."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                found[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{'.' * node.level}{node.module or ''}.{alias.name}"
                found[alias.asname or alias.name] = full
    return found


def _full_names(tree, imported):
    """Yields what code uses of what was imported: `gp()` is `getpass.getpass`."""
    for node in ast.walk(tree):
        parts = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id in imported:
            yield ".".join([imported[node.id], *parts])


def _scopes(tree):
    """The cell's scopes, its own first."""
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        scopes = [symtable.symtable(ast.unparse(tree), "cell", "exec")]
        for scope in scopes:
            scopes.extend(scope.get_children())
        return scopes
    return []


def _defines_input(tree):
    """Whether `input` is something of the notebook's own from here on."""
    # Not in a `try`: that only makes older Pythons have the same one.
    sure = [node for node in tree.body if not isinstance(node, (ast.Try, ast.If))]
    for scope in _scopes(ast.Module(sure, []))[:1]:
        with suppress(KeyError):
            symbol = scope.lookup("input")
            return symbol.is_assigned() or symbol.is_imported()
    return False


def _uses_input(tree):
    """Whether code uses the `input` of Python: no attribute, argument or variable of that name."""
    for scope in _scopes(tree):
        with suppress(KeyError):
            symbol = scope.lookup("input")
            if symbol.is_referenced() and symbol.is_global():
                return True
    return False


def _missing(trees, sources, folder):
    """The modules that are imported in any case and not to be found, neither here nor in the folder."""
    text = "\n".join(sources)
    if re.search(r"\bsys\.path\b|\baddsitedir\b|\bchdir\b|(?m:^[ \t]*%cd\b)", text):
        return []  # they may come from anywhere
    # What the notebook installs or writes itself.
    itself = re.findall(r"(?m)^[ \t]*[!%].*\binstall\b.*$", text)
    itself += re.findall(r"[A-Za-z0-9_]+(?=\.py\b)", text)
    itself = set(re.findall(r"[A-Za-z0-9_]+", " ".join(itself)))
    found = list(NEEDED)
    for tree in trees:
        waiting = list(tree.body)
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.append(node.module)
            elif not isinstance(node, (ast.Try, ast.If)):
                waiting += ast.iter_child_nodes(node)
    roots = dict.fromkeys(name.split(".")[0] for name in found)
    return [name for name in roots if name not in itself and _lacks(name, folder)]


def _lacks(module, folder):
    if module in sys.builtin_module_names:
        return False
    try:
        return PathFinder.find_spec(module, [folder, *sys.path]) is None
    except (ImportError, ValueError):
        return False
