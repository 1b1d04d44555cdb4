"""The web app of this project: three small examples to build on.

`pipulate start` runs it; http://127.0.0.1:5001 shows it. Save this file and reload the page: what
you changed is there. What you tried out in a notebook goes into functions like these.
"""

import os

from dotenv import load_dotenv, set_key
from fasthtml.common import *

app, rt = fast_app()

count = 0


@rt("/")
def get():
    examples = Ul(
        Li(A("A counter, without reloading the page", href="/counter")),
        Li(A("A secret that is asked for once", href="/secret")),
    )
    return Titled("Hello World", P("Hello, World!"), examples)


@rt("/counter")
def get():
    return Title("FastHTML HTMX Demo"), Main(
        H1("Hello, FastHTML with HTMX!"),
        P(f"Count: {count}", id="count"),
        Button("Increment", hx_post="/increment", hx_target="#count", hx_swap="innerHTML"),
        cls="container",
    )


@rt("/increment")
def post():
    global count
    count += 1
    return f"Count: {count}"


@rt("/secret")
def get():
    load_dotenv()
    if os.getenv("SECRET"):
        return Titled("Secret Prompt", P("I already know your secret"))
    form = Form(method="post")(
        Label("Enter the secret:", Input(type="password", name="secret")),
        Button("Submit", type="submit"),
    )
    return Titled("Secret Prompt", form)


@rt("/secret")
def post(secret: str):
    load_dotenv()
    if os.getenv("SECRET"):
        return Titled("Secret Already Set", P("A secret is already set. No changes were made."))
    set_key(".env", "SECRET", secret)
    load_dotenv(override=True)
    return Titled("Secret Saved", P("Your secret has been saved."))


# 127.0.0.1 is this machine. Without it, everybody in your network could open these pages.
serve(host="127.0.0.1")
