# SPDX-License-Identifier: MIT
"""What the unit tests say of a mutant.

A mutant that does not compile is invalid; one whose object is that of the unchanged source, as the
tests or as -O2 has it, is equivalent. Neither counts. Any other is linked into each unit test whose
sources name its file, the likeliest first, until one fails: by an assertion of its own or of the
node, a crash, a sanitizer's report, or a hang.
"""
import json
import math
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from recipes import MANNERS, Failed, digest, digest_of_file, run

INVALID, EQUIVALENT, KILLED, SURVIVED = "invalid", "equivalent", "killed", "survived"

# A hang is more than ten times the processor time of the unchanged test, but no less than this.
HANG_AT_LEAST_S = 3
# One that waits for ever uses none; nothing that only waits for its turn takes so long.
WAIT_S = 120
# A mutant may ask for any amount; the address sanitizer's shadow needs terabytes of addresses.
PLAIN_MEMORY_KIB = 4 << 20


class Results:
    """What is known of earlier runs: a line for each answer, by the digest of all it depends on."""

    def __init__(self, path):
        self.path, self.known, self.lock = path, {}, threading.Lock()
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                for line in file:
                    try:
                        key, value = json.loads(line)
                    except ValueError:
                        continue  # cut off when a run was interrupted
                    self.known[key] = value

    def get(self, key):
        return self.known.get(key)

    def put(self, key, value):
        with self.lock:
            self.known[key] = value
            with open(self.path, "a", encoding="ascii") as file:
                file.write(json.dumps([key, value]) + "\n")
        return value


class Judge:
    def __init__(self, recipes, objects, results):
        self.recipes, self.objects, self.results = recipes, objects, results
        self.lock = threading.Lock()
        self.locks = {}
        self.unchanged = {}  # digest of a path and a command -> that of the object
        self.kills = {}  # (path, program's name) -> how often
        self.broken = set()

    def programs_for(self, path):
        """Those that name the file: what killed most first, then what is named after it, then small
        ones."""
        stem = os.path.basename(path)[:-2]
        return sorted((program for program in self.recipes.programs.values()
                       if path in program.sources),
                      key=lambda program: (-self.kills.get((path, program.name), 0),
                                           stem not in program.name, len(program.sources),
                                           program.name))

    def unchanged_s(self, program, manner):
        """How long the test takes as the tree is, or None when it fails."""
        with self.lock:
            lock = self.locks.setdefault((program.name, manner), threading.Lock())
        with lock:
            parts = self.objects.parts(program, manner)
            key = digest("unchanged", program.name, manner, self.objects.fingerprint(parts))
            known = self.results.get(key)
            if known is None:
                with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
                    binary = self.link(program, manner, parts, folder)
                    begin = time.monotonic()
                    good = self.passes(binary, manner, None)
                    known = self.results.put(key, [good, time.monotonic() - begin])
        if not known[0]:
            self.broken.add((program.name, manner))
        return known[1] if known[0] else None

    def link(self, program, manner, parts, folder):
        binary = os.path.join(folder, program.name)
        run([*self.objects.flags(program.link_flags, manner), *parts, "-o", binary,
             *program.libraries])
        return binary

    @staticmethod
    def passes(binary, manner, unchanged_s):
        """Whether the test passes; one that hangs does not."""
        limits = "ulimit -c 0 -f 1000000; "
        if unchanged_s is not None:
            limits += f"ulimit -t {math.ceil(max(10 * unchanged_s, HANG_AT_LEAST_S))}; "
        if manner == "plain":
            limits += f"ulimit -v {PLAIN_MEMORY_KIB}; "
        child = subprocess.Popen(["/bin/bash", "-c", limits + 'exec "$0"', binary],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return child.wait(WAIT_S + 50 * (unchanged_s or WAIT_S)) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()

    @staticmethod
    def compile(path, text, command, name):
        """The object of that text of a file, which names itself as the unchanged one does."""
        run([*command, "-x", "c", "-c", "-", "-o", name],
            input=f'#line 1 "{path}"\n{text}'.encode())

    def compile_mutant(self, mutant, flags, manner, folder, *more):
        command = [*self.objects.flags(flags, manner), *more]
        name = os.path.join(folder, digest(manner, command)[:12] + ".o")
        if not os.path.exists(name):
            self.compile(mutant.path, mutant.text, command, name)
        return name

    def unchanged_object(self, path, flags, *more):
        """The digest of the object of the unchanged file."""
        command = [*self.objects.flags(flags, "plain"), *more]
        key = digest(path, command)
        with self.lock:
            lock = self.locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self.unchanged:
                with (open(path, encoding="utf-8") as file,
                      tempfile.TemporaryDirectory(prefix="mutate-") as folder):
                    name = os.path.join(folder, "unchanged.o")
                    self.compile(path, file.read(), command, name)
                    self.unchanged[key] = digest_of_file(name)
        return self.unchanged[key]

    def differs(self, mutant, flags, folder, *more):
        """Whether its object is another than the unchanged one's."""
        name = self.compile_mutant(mutant, flags, "plain", folder, *more)
        return digest_of_file(name) != self.unchanged_object(mutant.path, flags, *more)

    def judge(self, mutant):
        """(verdict, the test that killed it)."""
        programs = self.programs_for(mutant.path)
        flags = sorted({program.flags for program in programs})
        base = [self.objects.digests[self.objects.compile(each, mutant.path, "plain")]
                for each in flags]
        key = digest(mutant.path, mutant.text, base)
        verdict = self.results.get(key)
        if verdict in (INVALID, EQUIVALENT):
            return verdict, None
        folder = tempfile.mkdtemp(prefix="mutate-")
        try:
            if verdict is None:
                try:
                    differs = any([self.differs(mutant, each, folder) for each in flags])
                except Failed:
                    return self.results.put(key, INVALID), None
                if not differs:
                    return self.results.put(key, EQUIVALENT), None
                self.results.put(key, "valid")
            return self.try_programs(mutant, key, programs, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def try_programs(self, mutant, key, programs, folder):
        # What killed it in an earlier run comes first: if nothing has changed, that is known.
        trials = [(program, manner) for manner in MANNERS for program in programs]
        killer = self.results.get(digest(key, "killer"))
        trials.sort(key=lambda trial: [trial[0].name, trial[1]] != killer)
        for program, manner in trials:
            unchanged_s = self.unchanged_s(program, manner)
            if unchanged_s is None:
                continue
            parts = self.objects.parts(program, manner, without=mutant.path)
            trial = digest(key, program.name, manner, self.objects.fingerprint(parts))
            known = self.results.get(trial)
            if known is None:
                if (manner == "checked"
                        and not self.differs_optimised(mutant, key, programs, folder)):
                    return self.results.put(key, EQUIVALENT), None
                try:
                    changed = self.compile_mutant(mutant, program.flags, manner, folder)
                    binary = self.link(program, manner, [changed, *parts], folder)
                except Failed:
                    return self.results.put(key, INVALID), None
                known = "passed" if self.passes(binary, manner, unchanged_s) else "failed"
                os.unlink(binary)
                self.results.put(trial, known)
            if known == "failed":
                if killer != [program.name, manner]:
                    self.results.put(digest(key, "killer"), [program.name, manner])
                with self.lock:
                    entry = (mutant.path, program.name)
                    self.kills[entry] = self.kills.get(entry, 0) + 1
                return KILLED, program.name
        return SURVIVED, None

    def differs_optimised(self, mutant, key, programs, folder):
        known = self.results.get(digest(key, "-O2"))
        if known is None:
            known = self.results.put(digest(key, "-O2"), any(
                [self.differs(mutant, flags, folder, "-O2")
                 for flags in sorted({program.flags for program in programs})]))
        return known


def read_equivalents(path):
    """{name of a mutant: the reason why it does what the unchanged source does}"""
    found = {}
    if not os.path.exists(path):
        return found
    with open(path, encoding="utf-8") as file:
        blocks = re.split(r"\n\s*\n", file.read().strip())
    for block in blocks:
        lines = [line.strip() for line in block.split("\n") if not line.startswith("#")]
        if not lines:
            continue
        head = re.fullmatch(r"(\S+): (\w+)", lines[0])
        if (not head or len(lines) < 4 or not lines[1].startswith("- ")
                or not re.match(r"\+( |$)", lines[2])):
            raise Failed(f"{path}: not `file: function`, `- line`, `+ line`, reason:\n{block}")
        found[(head.group(1), head.group(2), lines[1][2:], lines[2][2:])] = " ".join(lines[3:])
    return found
