#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules of the source tree that a machine can judge. Each rule has a bad sample below that it must reject (--self-test)."""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE_DIRS = ["base/include", "driver/abi/include", "driver/include", "shm/include", "rules/include", "supervisor/stage/include", "evaluator/include", "stateful/include"]

# Which <prefix/...> headers a folder may include: the layering of ARCHITECTURE.md.
MAY = {
    "bpf": {"abi"},
    "base": {"base"},
    "driver/abi": {"abi", "base"},
    "shm": {"shm", "abi", "base"},
    "rules": {"rules", "abi", "base"},
    "supervisor/stage": {"stage", "shm", "base"},
    "driver": {"driver", "stage", "shm", "abi", "base"},
    "collector": {"driver", "stage", "shm", "abi", "base"},
    "stateful": {"table", "driver", "rules", "stage", "shm", "abi", "base"},
    "evaluator": {"judge", "driver", "rules", "stage", "shm", "abi", "base"},
    "recorder": {"table", "rules", "driver", "stage", "shm", "abi", "base"},
    "emitter": {"stage", "shm", "base"},
    "emitter/resolve": {"driver", "rules", "shm", "abi", "base"},
    "supervisor": {"judge", "rules", "driver", "stage", "shm", "abi", "base"},
}
OWN = {"abi", "base", "shm", "rules", "stage", "driver", "judge", "table"}


# Flags that are joined with |: in one header no two of a family share a bit.
FLAGS = [r"[A-Z]+_F_\w+", r"PLAN_OUT_F_\w+", r"IMG_NEED_\w+", r"KSHM_WANT\w*", r"PLAN_(?!UID_|OUT_F_|[A-Z_]*_MAX\b)[A-Z_]+"]


def check_flags(text):
    seen = {}
    for m in re.finditer(r"^#define\s+(\w+)\s+(?:\\\n\s*)?(0x[0-9a-fA-F]+|0|[1-9][0-9]*)\b(?!\s*<<)", text, re.M):
        name, value = m.group(1), int(m.group(2), 0)
        if value == 0 or value & (value - 1):
            continue # a mask of several, or none
        for i, family in enumerate(FLAGS):
            if re.fullmatch(family, name):
                other = seen.setdefault((i, value), name)
                if other != name:
                    yield text.count("\n", 0, m.start()) + 1, f"{name} is the same bit as {other}"


def folder_of(path):
    return max((f for f in MAY if path.startswith(f + "/")), key=len, default=None)


def check_text(path, text):
    """Complaints about one source file: (line, message)."""
    folder = folder_of(path)
    if path.endswith((".c", ".h")) and "SPDX-License-Identifier:" not in text[:300]:
        yield 1, "no SPDX-License-Identifier in the first lines"
    if path.endswith(".h") and "#pragma once" not in text and "vmlinux" not in path:
        yield 1, "header without #pragma once"
    if path.endswith(".h"):
        yield from check_flags(text)
    for n, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if m:
            target = m.group(2)
            if target.startswith("../") or "/../" in target:
                yield n, f"include climbs out of its folder: {target}"
            prefix = target.split("/")[0]
            if m.group(1) == "<" and folder and prefix in OWN and "/" in target and prefix not in MAY[folder]:
                yield n, f"{folder}/ may not include <{target}>"
            continue
        if path.endswith((".c", ".h")):
            code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
            if re.search(r"(^|[^:])//", re.sub(r"/\*.*?\*/", "", code)) and "/*" not in code and " * " not in code[:40]:
                yield n, "// comment"
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                yield n, "unfinished work is kept in issues, not in the source"
            bare = re.sub(r"/\*.*?(\*/|$)", "", code)
            if not code.lstrip().startswith("*") and re.search(r"\b(strcpy|strcat|sprintf|gets|alloca)\s*\(", bare):
                yield n, "unbounded or stack-growing function"


def tracked():
    """Source files: what git knows, or in a tree without git every file outside build directories."""
    try:
        out = subprocess.run(["git", "ls-files", "*.c", "*.h", "*.def"], cwd=TOP, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        out = []
        for root, dirs, files in os.walk(TOP):
            dirs[:] = [d for d in dirs if not d.startswith((".", "build"))]
            out += [os.path.relpath(os.path.join(root, f), TOP) for f in files if f.endswith((".c", ".h", ".def"))]
    return [p for p in sorted(out) if p != "bpf/vmlinux.h" and os.path.exists(os.path.join(TOP, p))]


def header_alone(name, *more_dirs):
    """Does an interface header, named as it is included, compile alone? The compiler's complaint, None if it does."""
    args = ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"]
    args += [f"-I{TOP}/{d}" for d in INCLUDE_DIRS] + [f"-I{d}" for d in more_dirs]
    r = subprocess.run(args, input=f"#include <{name}>\n", capture_output=True, text=True)
    return r.stderr if r.returncode else None


def run():
    bad = 0
    for path in tracked():
        text = open(os.path.join(TOP, path), errors="replace").read()
        for n, what in check_text(path, text):
            print(f"{path}:{n}: {what}")
            bad += 1
        if "/include/" in path and path.endswith(".h"):
            err = header_alone(path.split("/include/")[1])
            if err:
                print(f"{path}: does not compile alone:\n{err}")
                bad += 1
    return bad


SAMPLES = [
    ("shm/x.c", "/* SPDX-License-Identifier: Apache-2.0 */\n#include <stage/stage.h>\n"),
    ("emitter/x.c", "/* SPDX-License-Identifier: Apache-2.0 */\n#include <rules/image.h>\n"),
    ("rules/x.c", "/* SPDX-License-Identifier: Apache-2.0 */\n#include <shm/ev.h>\n"),
    ("base/x.c", "int x;\n"),
    ("supervisor/plan.h", "/* SPDX-License-Identifier: Apache-2.0 */\n#pragma once\n#define PLAN_A 4\n#define PLAN_B 2\n#define PLAN_C                   \\\n\t4 /* three */\n"),
    ("shm/x.h", "/* SPDX-License-Identifier: Apache-2.0 */\n#pragma once\n#define REC_F_A 0x1\n#define REC_F_B 0x0001\n"),
    ("base/x.h", "/* SPDX-License-Identifier: Apache-2.0 */\nint x;\n"),
    ("base/x.c", '/* SPDX-License-Identifier: Apache-2.0 */\n#include "../shm/x.h"\n'),
    ("base/x.c", "/* SPDX-License-Identifier: Apache-2.0 */\nint x; // why\n"),
    ("base/x.c", "/* SPDX-License-Identifier: Apache-2.0 */\n/* FIX" + "ME later */\n"),
    ("base/x.c", "/* SPDX-License-Identifier: Apache-2.0 */\nvoid f(char *a, char *b) { strcpy(a, b); }\n"),
]


def self_test():
    for path, text in SAMPLES:
        if not list(check_text(path, text)):
            sys.exit(f"self-test: nothing said of the bad sample {path}: {text!r}")
    good = "/* SPDX-License-Identifier: Apache-2.0 */\n#include <base/log.h>\n/* see http://x */\nint x;\n"
    flags = "/* SPDX-License-Identifier: Apache-2.0 */\n#pragma once\n#define PLAN_A 1\n#define PLAN_B 2\n#define PLAN_OUT_F_A 1\n#define IMG_F_ALL 3\n#define IMG_F_A 1\n"
    if list(check_text("supervisor/plan.h", flags)):
        sys.exit("self-test: different flags were refused")
    if list(check_text("shm/x.c", good)):
        sys.exit("self-test: a good sample was refused")
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, "bad.h"), "w") as f:
            f.write("#pragma once\nstruct a { struct never_seen b; };\n")
        if not header_alone("bad.h", d):
            sys.exit("self-test: a header that does not compile alone passed")
    if header_alone("base/log.h"):
        sys.exit("self-test: a header that compiles alone was refused")


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        self_test()
    elif run():
        sys.exit(1)
