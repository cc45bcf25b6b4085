# What all stages share; sourced, not run. The values are those of the published pipeline.
set -euo pipefail

NUM_PROCESSES=10
NUM_EPOCHS=${NUM_EPOCHS:-10}
HEATMAP_BATCH_SIZE=100
GPU_NUMBER=${GPU_NUMBER:-0}
# Pixels up to this value are background; scanners whose background is not black need more.
BACKGROUND_THRESHOLD=${BACKGROUND_THRESHOLD:-0}

CODE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# fail WORDS: ends with one line that says why.
fail() {
    echo "error: $1" >&2
    exit 1
}

# enter INPUT: finds the exam in this input; sets ID and PFS.
# Pachyderm gives each input's path in a variable of its name: $crop is /pfs/crop/<exam>.
enter() {
    local path=${!1:-}
    if [ -z "$path" ]; then
        path=$(find "/pfs/$1" -mindepth 1 -maxdepth 1 2>/dev/null | sort | head -n 1 || true)
    fi
    [ -n "$path" ] || fail "/pfs/$1 holds no exam; outside Pachyderm, set the variable $1 to an exam's folder"
    ID=$(basename "$path")
    PFS=$(dirname "$(dirname "$path")")
    [ -e "$path" ] || fail "$path: no such exam"
    [ -d "$path" ] || fail "$path is a file; an exam is a folder with four images and an exam list"
}
