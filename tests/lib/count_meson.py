"""Prints "PASSED FAILED SKIPPED" of the last `meson test` in a meson-logs directory.

A cmocka program counts by its cases ("[       OK ] name"), any other test by its exit code.
"""

import json
import re
import sys
from pathlib import Path

passed = failed = skipped = 0
log = Path(sys.argv[1]) / "testlog.json"
for line in log.read_text(encoding="utf-8").splitlines():
    test = json.loads(line)
    text = test.get("stdout", "") + test.get("stderr", "")
    ok = len(re.findall(r"^\[ +OK +\]", text, re.M))
    bad = len(set(re.findall(r"^\[ +FAILED +\] (\S+)", text, re.M)))
    skip = len(re.findall(r"^\[ +SKIPPED +\] \S", text, re.M))
    if test["result"] == "SKIP":
        skipped += 1
    elif test["result"] not in ("OK", "EXPECTEDFAIL"):
        passed += ok
        failed += max(bad, 1)
        skipped += skip
    else:
        passed += ok or 1
        skipped += skip
print(passed, failed, skipped)
