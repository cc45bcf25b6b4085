# What all stages share; sourced, not run. The values are those of the published pipeline.
set -euo pipefail

NUM_PROCESSES=10
NUM_EPOCHS=${NUM_EPOCHS:-10}
HEATMAP_BATCH_SIZE=100
GPU_NUMBER=${GPU_NUMBER:-0}
# Pixels up to this value are background; scanners whose background is not black need more.
BACKGROUND_THRESHOLD=${BACKGROUND_THRESHOLD:-0}

CODE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# enter INPUT: finds the exam in this input; sets ID and PFS.
# Pachyderm gives each input's path in a variable of its name: $crop is /pfs/crop/<exam>.
enter() {
    local path=${!1:-}
    if [ -z "$path" ]; then
        path=/pfs/$1/$(ls "/pfs/$1" | head -n 1)
    fi
    ID=$(basename "$path")
    PFS=$(dirname "$(dirname "$path")")
    if [ ! -d "$path" ]; then
        echo "error: $path is a file; an exam is a folder with four images and an exam list" >&2
        exit 1
    fi
}
