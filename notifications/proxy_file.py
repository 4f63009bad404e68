"""An nginx configuration, read for what the sockets behind it need: time-outs, the upgrade, logs without tokens.

It reads what `nginx -T` prints, or a file without its includes. Locations by regular expression are passed over: the
sockets' path needs none.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# A quoted text, one of the three marks, or anything else up to the next of them; comments are taken out before.
_MARK = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[{};]|(?:\$\{\w+\}|[^\s{};"'])+""")
_COMMENT = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<!\S)#[^\n]*""")
_TIME = re.compile(r"(\d+)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
# nginx's own default (ngx_http_proxy_module).
READ_TIMEOUT = 60.0
# Variables that hold the query string.
_WITH_QUERY = re.compile(r"\$\{?(request|request_uri|args|query_string|arg_token|http_referer)\b(?!_)")


@dataclass
class Block:
    """A block of the configuration: its directives by name (all words behind it), and the blocks within."""

    name: str = ""
    arguments: list[str] = field(default_factory=list)
    directives: dict[str, list[list[str]]] = field(default_factory=dict)
    blocks: list["Block"] = field(default_factory=list)
    outer: "Block | None" = None

    def inherited(self, directive: str) -> list[list[str]]:
        """What a directive is set to here, or in the nearest block outside that sets it."""
        block: Block | None = self
        while block is not None:
            if directive in block.directives:
                return block.directives[directive]
            block = block.outer
        return []

    def walk(self) -> Iterator["Block"]:
        """This block and all within."""
        yield self
        for block in self.blocks:
            yield from block.walk()


def parse(text: str) -> Block:
    """The configuration as blocks. Raises `ValueError` where the braces do not match."""
    block = top = Block()
    words: list[str] = []
    for mark in _MARK.findall(_COMMENT.sub(lambda match: match[1] or "", text)):
        if mark == ";":
            if words:
                block.directives.setdefault(words[0], []).append(words[1:])
            words = []
        elif mark == "{":
            inner = Block(words[0] if words else "", words[1:], outer=block)
            block.blocks.append(inner)
            block, words = inner, []
        elif mark == "}":
            if block.outer is None:
                raise ValueError("a brace is closed that was never opened")
            block, words = block.outer, []
        else:
            words.append(mark.strip("\"'"))
    if block is not top:
        raise ValueError("a brace is not closed")
    return top


def serving(top: Block, path: str) -> list[Block]:
    """The locations, one of each server at most, that pass `path` on to nodes: nginx takes the longest prefix."""
    found = []
    for server in top.walk():
        if server.name != "server":
            continue
        fitting = [block for block in server.walk() if _fits(block, path)]
        longest = max(fitting, key=lambda block: len(block.arguments[-1]), default=None)
        if longest is not None and "proxy_pass" in longest.directives:
            found.append(longest)
    return found


def read_timeout(location: Block) -> float:
    """How many seconds without a word from the node the proxy bears."""
    set_to = location.inherited("proxy_read_timeout")
    if not set_to:
        return READ_TIMEOUT
    return sum(int(number) * _SECONDS[unit or "s"] for number, unit in _TIME.findall(set_to[-1][0]))


def upgrades(location: Block) -> bool:
    """Whether the request to change the protocol is passed on (nginx, "WebSocket proxying")."""
    return any(words[0].lower() == "upgrade" for words in location.inherited("proxy_set_header") if words)


def logs_queries(top: Block, location: Block) -> bool:
    """Whether its access log holds query strings, and with them tokens."""
    formats = {
        words[0]: " ".join(words[1:]) for block in top.walk() for words in block.directives.get("log_format", [])
    }
    logs = location.inherited("access_log") or [["logs/access.log"]]
    for words in logs:
        if words[0] == "off":
            continue
        name = next((word for word in words[1:] if "=" not in word), "combined")
        # The format that nginx brings itself begins with the request line.
        if _WITH_QUERY.search(formats.get(name, "$request")):
            return True
    return False


def _fits(block: Block, path: str) -> bool:
    if block.name != "location" or not block.arguments or block.arguments[0] in ("~", "~*"):
        return False
    name = block.arguments[-1]
    return path == name if block.arguments[0] == "=" else path.startswith(name)
