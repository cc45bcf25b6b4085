#!/bin/bash
# Pipeline visualize_heatmaps: /pfs/crop/<exam>, /pfs/generate_heatmaps/<exam> -> /pfs/out/<exam>/<view>_<kind>.png
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
enter crop

python3 "$CODE/visualize_heatmaps.py" \
    --image-path "$PFS/crop/$ID/cropped_images" \
    --heatmap-path "$PFS/generate_heatmaps/$ID/heatmaps" \
    --output-path "$PFS/out/$ID"
