# SPDX-License-Identifier: MIT
"""How make would build each unit test, and objects built that way.

What `make -n` prints says it all: the objects, flags and libraries of each program. A mutant costs
one compilation and one link. An object exists in two manners: `plain`, without sanitizers, which
takes a third of the time; and `checked`, as the tests have it. What survives in plain programs is
run in checked ones.
"""
import dataclasses
import hashlib
import os
import re
import shlex
import subprocess
import threading

MANNERS = ("plain", "checked")
LEFT_OUT_PLAIN = re.compile(r"-fsanitize=|-fno-sanitize|-fno-omit-frame-pointer$")
LEFT_OUT = re.compile(r"-W(?!l,)|-g$|-M|-fsanitize-recover")


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    flags: tuple       # with which its own sources are compiled
    sources: tuple
    archives: tuple
    link_flags: tuple
    libraries: tuple


class Failed(Exception):
    """A command failed; its words say why."""


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          stdin=None if "input" in options else subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise Failed(" ".join(command[-3:]) + "\n" + done.stdout.decode(errors="replace"))


def digest(*parts):
    total = hashlib.sha256()
    for part in parts:
        total.update(part if isinstance(part, bytes) else repr(part).encode())
        total.update(b"\0")
    return total.hexdigest()


def digest_of_file(name):
    with open(name, "rb") as file:
        return digest(file.read())


class Recipes:
    """All unit tests, by name."""

    def __init__(self, build):
        self.build = build
        self.compiled = {}  # object's name in make -> (flags, source)
        self.archives = {}  # library's name in make -> its objects' names
        self.programs = {}
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        tests = sorted(os.path.basename(path)[:-2] for folder, _, names in os.walk("tests/unit")
                       for path in (os.path.join(folder, name) for name in names)
                       if re.match(r"test_\w+\.c$", os.path.basename(path)))
        said = subprocess.run(["make", "--no-print-directory", "-n", "V=1", f"BUILD={build}",
                               *(f"{build}/unit/{name}" for name in tests)], check=False,
                              env=environment, capture_output=True, text=True)
        if said.returncode != 0:
            raise Failed(said.stdout[-2000:] + said.stderr)
        for line in said.stdout.split("\n"):
            line = re.sub(r"^\S*ccache ", "", line)  # the compiler is the word behind it
            if re.match(r"\S*(?:gcc|cc|clang|ld|ar) ", line) and " -MM " not in line:
                self.read_command(shlex.split(line))

    def read_command(self, words):
        tool = os.path.basename(words[0])
        if tool == "ld":
            output = words[words.index("-o") + 1]
            self.archives[output] = [word for word in words
                                     if word.endswith(".o") and word != output]
        elif tool == "ar":
            self.archives[words[2]] = words[3:]
        elif "-o" in words:
            output = words[words.index("-o") + 1]
            files = [word for word in words[1:] if re.search(r"\.[cSoa]$", word) and word != output
                     and words[words.index(word) - 1] != "-include"]
            flags = tuple(word for word in words[1:] if word not in files and word != output
                          and word not in ("-o", "-c") and not word.startswith("-l"))
            if "-c" in words:
                self.compiled[output] = (flags, files[0])
            elif os.path.basename(output).startswith("test_"):
                own = [self.compiled[file] for file in files if file in self.compiled]
                self.programs[os.path.basename(output)] = Program(
                    os.path.basename(output), own[0][0],
                    tuple(dict.fromkeys(source for _, source in own)),
                    tuple(file for file in files if file not in self.compiled), flags,
                    tuple(word for word in words if word.startswith("-l")))


class Objects:
    """Objects of unchanged sources, made when asked for and a source or header is newer."""

    def __init__(self, recipes):
        self.recipes = recipes
        self.folder = f"{recipes.build}/objects"
        self.lock = threading.Lock()
        self.locks = {}
        self.digests = {}

    @staticmethod
    def flags(flags, manner):
        kept = [flag for flag in flags if not LEFT_OUT.match(flag)
                and not (manner == "plain" and LEFT_OUT_PLAIN.match(flag))]
        return ["gcc", "-w", *kept]

    def compile(self, flags, source, manner):
        """The object's file name."""
        command = self.flags(flags, manner)
        name = f"{self.folder}/{manner}/{digest(command)[:12]}/{source}.o"
        with self.lock:
            lock = self.locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self.digests:
                if not is_fresh(name):
                    os.makedirs(os.path.dirname(name), exist_ok=True)
                    run([*command, "-MD", "-MF", name + ".d", "-c", source, "-o", name])
                self.digests[name] = digest_of_file(name)
        return name

    def library(self, archive, manner):
        """The objects in it, as one object or an archive of our own manner."""
        parts = self.recipes.archives[archive]
        objects = [self.compile(*self.recipes.compiled[part], manner) for part in parts]
        name = f"{self.folder}/{manner}/{os.path.basename(archive)}"
        with self.lock:
            lock = self.locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self.digests:
                if archive.endswith(".a"):
                    if os.path.exists(name):
                        os.unlink(name)
                    run(["ar", "rcs", name, *objects])
                else:
                    run(["ld", "-r", *objects, "-o", name])
                self.digests[name] = digest([self.digests[part] for part in objects])
        return name

    def parts(self, program, manner, without=None):
        """Every object of a program but that of the source `without`."""
        return ([self.compile(program.flags, source, manner)
                 for source in program.sources if source != without]
                + [self.library(archive, manner) for archive in program.archives])

    def fingerprint(self, parts):
        return digest([self.digests[part] for part in parts])


def is_fresh(name):
    """No file that the object depends on is newer."""
    try:
        made = os.path.getmtime(name)
        with open(name + ".d", encoding="ascii", errors="replace") as file:
            words = file.read().replace("\\\n", " ").split()
        return all(os.path.getmtime(word) <= made for word in words if not word.endswith(":"))
    except OSError:
        return False
