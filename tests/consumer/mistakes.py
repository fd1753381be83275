#!/usr/bin/env python3
"""Makes the mistakes of docs/what_went_wrong.md, compares the messages and tries the remedies.

    mistakes.py ROOT WORK

WORK is an empty folder to build in. CXX names the compiler. A section of the page has a mistake, a block of code or of
commands; its message, a block of text; and perhaps a remedy, a block like the first. Other compilers than g++ 12 have other
words: what they say of mistakes is compared only where the words are ours.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

# How messages begin whose words are the library's.
_OURS = ("#error", "static assertion failed", "EQUIPOISE_BACKENDS")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _plain(text):
    return " ".join(text.replace("\u2018", "'").replace("\u2019", "'").split())


def _as_function(code, name):
    """A snippet as a function: what it declares before its last `};` stays outside."""
    if code.startswith("#include"):
        return code
    outside, inside = re.match(r"((?:.*\n)*^\};\n|struct \w+ \{\};\n|)((?:.*\n)*)", code, re.MULTILINE).groups()
    return "%s\nvoid %s() {\n%s}\n" % (outside, name, textwrap.indent(inside, "  "))


class Page:
    def __init__(self, root, work):
        self.root, self.work = root, work
        self.compiler = os.environ.get("CXX", "g++")
        version = subprocess.run(
            [self.compiler, "-dumpfullversion"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
        )
        self.is_gcc_12 = version.stdout.startswith("12.")
        text = (root / "docs/what_went_wrong.md").read_text()
        preamble, self.sections = text.split("\n## ", 1)[0], re.split(r"^### ", text, flags=re.MULTILINE)[1:]
        self.preamble = _BLOCK.search(preamble).group(2)
        self.faults, self.tried, self.runs = [], 0, []

    def _run(self, command):
        done = subprocess.run(command, cwd=self.work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def _compile(self, source):
        (self.work / "snippet.cc").write_text(source)
        return self._run([self.compiler, "-std=c++20", "-I", "include", "-fsyntax-only", "snippet.cc"])

    def _fails(self, title, status, output, message):
        self.tried += 1
        if status == 0:
            self.faults.append("%s: this works" % title)
        elif (self.is_gcc_12 or message.startswith(_OURS)) and not self._says(message, output):
            self.faults.append("%s: the page says\n  %s\nbut the message is\n%s" % (title, message.strip(), output[:3000]))

    def _says(self, message, output):
        message, output = _plain(message), _plain(output)
        if not self.is_gcc_12:  # only the words between the quotes or after the colon
            message = re.sub(r'^#error "|"$|^static assertion failed: ', "", message)
        return message in output

    def _works(self, title, status, output):
        self.tried += 1
        if status != 0:
            self.faults.append("%s: the remedy fails:\n%s" % (title, output[:3000]))

    def prepare(self):
        readme = (self.root / "README.md").read_text()
        (self.work / "main.cc").write_text(re.search(r"^```cpp\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL).group(1))
        for name in ("eigen", "libtorch"):
            shutil.copyfile(self.root / "tests/consumer/plain" / (name + ".cc"), self.work / (name + ".cc"))
        (self.work / "preamble.h").write_text(self.preamble)
        (self.work / "include").symlink_to(self.root / "include")
        project = self.work / "project"
        project.mkdir()
        (project / "CMakeLists.txt").write_text(
            'cmake_minimum_required(VERSION 3.16)\nproject(mistake LANGUAGES CXX)\nadd_subdirectory("%s" equipoise)\n' % self.root
        )

    def make(self):
        self.prepare()
        # Found by its name where it is included. Only for speed: clang does not look for it.
        header = [self.compiler, "-std=c++20", "-I", "include", "-x", "c++-header", "preamble.h", "-o", "preamble.h.gch"]
        status, output = self._run(header)
        if status != 0:
            self.faults.append("the snippets' first lines do not compile:\n%s" % output)
        for section in self.sections:
            title = section.split("\n", 1)[0]
            blocks = _BLOCK.findall(section.split("\n## ")[0])
            kind, mistake = blocks[0]
            message = blocks[1][1]
            remedy = blocks[2][1] if len(blocks) > 2 else None
            if blocks[1][0] != "text" or (remedy and blocks[2][0] != kind):
                self.faults.append("%s: its blocks are not mistake, message, remedy" % title)
            elif kind == "sh":
                self._fails(title, *self._run(["sh", "-ec", mistake.replace("g++", self.compiler, 1)]), message)
                if remedy:
                    self._works(title, *self._run(["sh", "-ec", remedy.replace("g++", self.compiler, 1)]))
            elif re.match(r"\w[\w:]*\(\): ", message):
                self.runs.append((title, mistake, message.strip(), remedy))
            else:
                source = _as_function(mistake, "mistake")
                alone = source.startswith("#include")
                self._fails(title, *self._compile(source if alone else '#include "preamble.h"\n' + source), message)
                if remedy and remedy.startswith("#include"):
                    self._works(title, *self._compile(remedy))
                elif remedy:
                    self.runs.append((title, None, None, remedy))
        self.run_all()
        for fault in self.faults:
            print(fault)
        print("%d mistakes and remedies tried, %d faults" % (self.tried, len(self.faults)))
        return 1 if self.faults else 0

    def run_all(self):
        """One program of all that compiles: it prints the messages of mistakes, and runs remedies."""
        source, calls = ['#include "preamble.h"\n', "#include <cstdio>\n#include <exception>\n"], []
        for number, (_, mistake, _, remedy) in enumerate(self.runs):
            for name, code in (("mistake", mistake), ("remedy", remedy)):
                if code:
                    source.append("namespace %s_%d {\n%s}\n" % (name, number, _as_function(code, name)))
                    calls.append('  call("%s_%d", %s_%d::%s);\n' % (name, number, name, number, name))
        source.append(
            "void call(const char* name, void (*function)()) {\n  try {\n    function();\n"
            '    std::printf("%s works\\n", name);\n  } catch (const std::exception& error) {\n'
            '    std::printf("%s: %s\\n", name, error.what());\n  }\n}\n'
        )
        source.append("int main() {\n%s}\n" % "".join(calls))
        (self.work / "all.cc").write_text("".join(source))
        status, output = self._run([self.compiler, "-std=c++20", "-I", "include", "all.cc", "-o", "all"])
        if status != 0:
            self.faults.append("the snippets that should compile do not:\n%s" % output[:5000])
            return
        said = dict(re.match(r"(\w+_\d+)(?:: | )(.*)", line).groups() for line in self._run(["./all"])[1].splitlines())
        for number, (title, mistake, message, remedy) in enumerate(self.runs):
            if mistake:
                text = said["mistake_%d" % number]
                self.tried += 1
                if text != message:
                    self.faults.append("%s: the page says\n  %s\nbut the message is\n  %s" % (title, message, text))
            if remedy:
                text = said["remedy_%d" % number]
                self._works(title, 0 if text == "works" else 1, text)


if __name__ == "__main__":
    sys.exit(Page(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()).make())
