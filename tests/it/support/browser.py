"""A person at a browser. Usage: browser.py CHROMIUM PROFILE

Reads one request a line, a JSON array of a verb and its arguments, and answers each with a line of JSON.
Clicks and keys go through the browser's own input, as those of a person do.

open URL             goes there; answers when the page is loaded
click SELECTOR       clicks on it; null: it is not there, or nothing is visible of it
type SELECTOR TEXT   puts the cursor there and types; null: it is not there
text SELECTOR        the text of it as it is shown; null: it is not there
press KEY            presses a key: Tab, Enter, Escape, or the one of a character
measure EXPRESSION   the value of a JavaScript expression, or what it promises
script FILE          runs a script in the page, whatever its policy
javascript ON        whether pages may run scripts, from the next page on
view SCHEME WIDTH HEIGHT   "light" or "dark", and how many pixels the window has
screenshot FILE      the whole page
complaints           what the browser has said about pages since it was started: errors, blocked things
"""

import base64
import json
import os
import select
import sys

PATIENCE = 60


def main():
    browser = Browser(*sys.argv[1:])
    try:
        for line in sys.stdin:
            verb, *arguments = json.loads(line)
            answer = getattr(browser, verb)(*arguments)
            print(json.dumps(answer), flush=True)
    finally:
        browser.end()


class Browser:
    def __init__(self, program, profile):
        here, theirs = os.pipe(), os.pipe()
        self.reader, self.writer = theirs[0], here[1]
        command = [program, "--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu",
                   "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update",
                   "--host-resolver-rules=MAP evil.test 127.0.0.1", "--disable-sync", "--password-store=basic",
                   f"--user-data-dir={profile}", "about:blank"]
        with open(os.devnull, "w") as nowhere:
            # The pipe's ends are 3 and 4 in the browser, whatever they are here.
            actions = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1), (os.POSIX_SPAWN_DUP2, nowhere.fileno(), 2),
                       (os.POSIX_SPAWN_DUP2, here[0], 13), (os.POSIX_SPAWN_DUP2, theirs[1], 14),
                       (os.POSIX_SPAWN_DUP2, 13, 3), (os.POSIX_SPAWN_DUP2, 14, 4)]
            self.pid = os.posix_spawn(program, command, os.environ, file_actions=actions, setpgroup=0)
        os.close(here[0])
        os.close(theirs[1])
        self.buffer, self.number, self.session = b"", 0, None
        self.begun, self.loaded, self.said = set(), set(), []
        self.page = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=self.page, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Audits", "DOM"]:
            self.ask(f"{domain}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    def ask(self, method, **parameters):
        """Calls a method of the protocol and returns what it gives."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Refused(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.listen(answer)

    def receive(self):
        while b"\0" not in self.buffer:
            if not select.select([self.reader], [], [], PATIENCE)[0]:
                sys.exit("the browser does not answer")
            part = os.read(self.reader, 1 << 16)
            if not part:
                sys.exit("the browser has ended")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def listen(self, event):
        method, what = event["method"], event["params"]
        if method == "Page.lifecycleEvent" and what["frameId"] == self.page:
            self.begun.add(what["loaderId"])
            if what["name"] == "load":
                self.loaded.add(what["loaderId"])
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("warning", "error"):
            self.said.append(f"{what['entry']['text']} ({what['entry'].get('url')})")
        elif method == "Runtime.exceptionThrown":
            self.said.append(json.dumps(what["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("warning", "error", "assert"):
            self.said.append(json.dumps(what["args"]))
        elif method == "Audits.issueAdded" and what["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.said.append(json.dumps(what["issue"]["details"]))

    def open(self, url):
        earlier = set(self.begun)
        answer = self.ask("Page.navigate", url=url)
        if "errorText" in answer:
            sys.exit(f"{url}: {answer['errorText']}")
        # This one, or the one that it goes on to at once, and not one that was still on its way.
        while not self.loaded - earlier:
            self.listen(self.receive())
        return True

    def click(self, selector):
        point = self.middle_of(selector)
        if point is None:
            return None
        for kind in ["mousePressed", "mouseReleased"]:
            self.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **point)
        return True

    def type(self, selector, text):
        node = self.find(selector)
        if node is None:
            return None
        try:
            self.ask("DOM.focus", nodeId=node)
        except Refused:
            # Its page went away since it was found: it is looked for again.
            return None
        self.ask("Input.insertText", text=text)
        return True

    def text(self, selector):
        return self.measure(f"document.querySelector({json.dumps(selector)})?.innerText")

    def measure(self, expression):
        try:
            answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
            return answer["result"].get("value")
        except Refused:
            return None  # one page has gone and the next has not come yet

    def script(self, file):
        with open(file) as source:
            self.ask("Runtime.evaluate", expression=source.read())
        return True

    def press(self, key):
        named = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, "")}
        code, text = named.get(key) or (ord(key.upper()), key)
        for kind in ["keyDown", "keyUp"]:
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                     text=text if kind == "keyDown" else "")
        return True

    def javascript(self, on):
        return self.ask("Emulation.setScriptExecutionDisabled", value=not on)

    def view(self, scheme, width, height):
        # Without movement the colors are those of the scheme at once.
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.ask("Emulation.setEmulatedMedia", features=features)
        # A scroll bar would be missing from the picture, and its width with it.
        self.ask("Emulation.setScrollbarsHidden", hidden=True)
        return self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                        deviceScaleFactor=1, mobile=False)

    def screenshot(self, file):
        image = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(file, "wb") as target:
            return target.write(base64.b64decode(image))

    def complaints(self):
        return self.said

    def find(self, selector):
        try:
            root = self.ask("DOM.getDocument", depth=0)["root"]["nodeId"]
            return self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"] or None
        except Refused:
            return None

    def middle_of(self, selector):
        node = self.find(selector)
        if node is None:
            return None
        try:
            self.ask("DOM.scrollIntoViewIfNeeded", nodeId=node)
            quads = self.ask("DOM.getContentQuads", nodeId=node)["quads"]
        except Refused:
            return None
        if not quads:
            return None
        return {"x": sum(quads[0][0::2]) / 4, "y": sum(quads[0][1::2]) / 4}

    def end(self):
        # Its own end takes its helpers along, which are not all in its group.
        self.session = None
        self.ask("Browser.close")
        os.waitpid(self.pid, 0)


class Refused(Exception):
    """The browser would not."""


if __name__ == "__main__":
    main()
