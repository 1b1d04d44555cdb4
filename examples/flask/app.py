"""A page with Flask, as the web app of a home."""
import os

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def hello():
    name = request.args.get("name", "you")
    return {"hello": name}


if __name__ == "__main__":
    # Pipulate says which port is free. This machine only: 127.0.0.1 is Flask's default.
    app.run(port=int(os.environ.get("PORT", "5001")))
