#!/bin/bash
# Pipeline classify: /pfs/crop, extract_centers, generate_heatmaps (one exam of each), /pfs/models
# -> /pfs/out/<exam>/{image,imageheatmaps}_predictions.csv, the same with exam ids, and sheet.html
# DEVICE, from the spec: "gpu" or "cpu".
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
enter crop

EXAM=(
    --data-path "$PFS/extract_centers/$ID/data.pkl"
    --image-path "$PFS/crop/$ID/cropped_images"
    --exam-id "$ID"
)
LOOK=(
    --use-augmentation
    --num-epochs "$NUM_EPOCHS"
    --device-type "${DEVICE:-gpu}"
    --gpu-number "$GPU_NUMBER"
)
HEATMAPS_PATH="$PFS/generate_heatmaps/$ID/heatmaps"
OUT="$PFS/out/$ID"

python3 "$CODE/classify.py" "${EXAM[@]}" "${LOOK[@]}" \
    --model-path "$PFS/models/sample_image_model.p" \
    --output-path "$OUT/image_predictions.csv"

python3 "$CODE/classify.py" "${EXAM[@]}" "${LOOK[@]}" \
    --model-path "$PFS/models/sample_imageheatmaps_model.p" \
    --use-heatmaps \
    --heatmaps-path "$HEATMAPS_PATH" \
    --output-path "$OUT/imageheatmaps_predictions.csv"

python3 "$CODE/exam_sheet.py" "${EXAM[@]}" \
    --heatmaps-path "$HEATMAPS_PATH" \
    --predictions "$OUT/image_predictions_by_exam.csv" \
    --predictions "$OUT/imageheatmaps_predictions_by_exam.csv" \
    --output-path "$OUT/sheet.html"
