"""Fills the generated tables of README.md from the program's own help.

    generate_readme.py BINARY [--check]
"""

import json
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def parameter_table(parameters: list[dict]) -> str:
    lines, group = [], None
    for item in parameters:
        own = item["group"] == "Options of this command"  # each belongs to the commands that its text begins with
        title = "Options of one command" if own else item["group"]
        if title != group:
            group = title
            lines += ["", f"**{group}**", "", "| name | default | meaning |", "|---|---|---|"]
        name = f"`--{item['name']}`" if item["option"] else f"`{item['name']}`"
        if item.get("alias"):
            name += f" (also `{item['alias']}`)"
        default = item["default"]
        shown = "required" if default is None and item["name"] in ("INFERENCE_SERVICE_NAME",) else f"`{default}`" if default else ""
        lines.append(f"| {name} | {shown} | {cell((', '.join(item['commands']) + ': ' if own else '') + item['help'])} |")
    return "\n".join(lines[1:])


def main() -> None:
    binary = sys.argv[1]
    data = json.loads(subprocess.run([binary, "help", "json"], check=True, capture_output=True, text=True).stdout)
    general = subprocess.run([binary, "help"], check=True, capture_output=True, text=True).stdout
    commands = re.search(r"Commands:\n(.*?)\n\n", general, re.S).group(1)
    sections = {
        "commands": "\n".join(["| command | does |", "|---|---|"] + [f"| `{name}` | {cell(text)} |" for name, text in
                                                                       (line.split(None, 1) for line in commands.splitlines())]),
        "parameters": parameter_table([p for p in data["parameters"] if not p["option"]]),
        "options": parameter_table([p for p in data["parameters"] if p["option"]]),
        "exit codes": "\n".join(["| code | meaning |", "|---|---|"] + [f"| {code} | {cell(text)} |" for code, text in data["exitCodes"].items()]),
    }
    before = text = README.read_text(encoding="utf-8")
    for name, table in sections.items():
        text = re.sub(rf"(<!-- {name}: generated -->\n).*?(<!-- end -->)", lambda match: f"{match.group(1)}{table}\n{match.group(2)}", text, flags=re.S)
    if "--check" in sys.argv:
        sys.exit(0 if text == before else "README.md is not what `tests/lib/generate_readme.py BINARY` makes of the program's help")
    README.write_text(text, encoding="utf-8")


main()
