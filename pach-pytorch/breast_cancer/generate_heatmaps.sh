#!/bin/bash
# Pipeline generate_heatmaps: /pfs/crop/<exam>, /pfs/extract_centers/<exam>, /pfs/models -> /pfs/out/<exam>/heatmaps
# DEVICE, from the spec: "gpu" or "cpu".
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
enter crop

python3 "$CODE/generate_heatmaps.py" \
    --model-path "$PFS/models/sample_patch_model.p" \
    --data-path "$PFS/extract_centers/$ID/data.pkl" \
    --image-path "$PFS/crop/$ID/cropped_images" \
    --batch-size "$HEATMAP_BATCH_SIZE" \
    --output-heatmap-path "$PFS/out/$ID/heatmaps" \
    --device-type "${DEVICE:-gpu}" \
    --gpu-number "$GPU_NUMBER"
