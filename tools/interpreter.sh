#!/bin/sh
# Prints the Python that .venv is made of: the first python3 of PATH, or one behind it that is faster
# by a tenth and can as much. An interpreter that was built without profile-guided optimisation (as
# pyenv builds one unless told) takes a quarter longer for the same code, and tests are mostly such code.
probe='
import sys
if sys.version_info < (3, 11):
    sys.exit(1)
import ensurepip, os, sqlite3, sysconfig, time, venv, zlib

def work():
    start = time.process_time()
    rows = {str(i): [i, {"a": i * 2, "b": "x" * 5}] for i in range(3000)}
    for _ in range(4):
        sum(row[0] + row[1]["a"] for row in rows.values() for _ in range(5))
        sorted(rows, key=lambda key: (rows[key][1]["b"], key))
        repr(rows)
    return time.process_time() - start

headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
print(round(min(work() for _ in range(7)) * 1e6), int(headers))
'
best= least=0 headers=0
IFS=:
for folder in $PATH; do
    python=${folder:-.}/python3
    [ -x "$python" ] || continue
    answer=$("$python" -I -c "$probe" 2>/dev/null) || continue
    time=${answer% *}
    if [ -z "$best" ]; then
        best=$python least=$time headers=${answer#* }
    elif [ $((time * 10)) -lt $((least * 9)) ] && [ "${answer#* }" -ge "$headers" ]; then
        best=$python least=$time
    fi
done
echo "${best:-python3}"
