#!/bin/bash
# run.sh DEVICE: one exam through all stages, on "cpu" or "gpu". /pfs/sample_data, /pfs/models -> /pfs/out/<exam>
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

DEVICE_TYPE=${1:-}
case "$DEVICE_TYPE" in
    cpu | gpu | auto) ;;
    *) fail "usage: run.sh cpu|gpu|auto" ;;
esac
enter sample_data

DATA_FOLDER="$PFS/sample_data/$ID"
INITIAL_EXAM_LIST_PATH="$DATA_FOLDER/gen_exam_list_before_cropping.pkl"
PATCH_MODEL_PATH="$PFS/models/sample_patch_model.p"
IMAGE_MODEL_PATH="$PFS/models/sample_image_model.p"
IMAGEHEATMAPS_MODEL_PATH="$PFS/models/sample_imageheatmaps_model.p"

OUT="$PFS/out/$ID"
CROPPED_IMAGE_PATH="$OUT/cropped_images"
CROPPED_EXAM_LIST_PATH="$OUT/cropped_images/cropped_exam_list.pkl"
EXAM_LIST_PATH="$OUT/data.pkl"
HEATMAPS_PATH="$OUT/heatmaps"

echo "Stage 1: Crop Mammograms"
python3 "$CODE/crop.py" \
    --input-data-folder "$DATA_FOLDER" \
    --output-data-folder "$CROPPED_IMAGE_PATH" \
    --exam-list-path "$INITIAL_EXAM_LIST_PATH" \
    --cropped-exam-list-path "$CROPPED_EXAM_LIST_PATH" \
    --background-threshold "$BACKGROUND_THRESHOLD" \
    --num-processes "$NUM_PROCESSES"

echo "Stage 2: Extract Centers"
python3 "$CODE/extract_centers.py" \
    --cropped-exam-list-path "$CROPPED_EXAM_LIST_PATH" \
    --data-prefix "$CROPPED_IMAGE_PATH" \
    --output-exam-list-path "$EXAM_LIST_PATH" \
    --num-processes "$NUM_PROCESSES"

echo "Stage 3: Generate Heatmaps"
python3 "$CODE/generate_heatmaps.py" \
    --model-path "$PATCH_MODEL_PATH" \
    --data-path "$EXAM_LIST_PATH" \
    --image-path "$CROPPED_IMAGE_PATH" \
    --batch-size "$HEATMAP_BATCH_SIZE" \
    --output-heatmap-path "$HEATMAPS_PATH" \
    --device-type "$DEVICE_TYPE" \
    --gpu-number "$GPU_NUMBER"

echo "Stage 4a: Run Classifier (Image)"
python3 "$CODE/classify.py" \
    --model-path "$IMAGE_MODEL_PATH" \
    --data-path "$EXAM_LIST_PATH" \
    --image-path "$CROPPED_IMAGE_PATH" \
    --output-path "$OUT/image_predictions.csv" \
    --exam-id "$ID" \
    --use-augmentation \
    --num-epochs "$NUM_EPOCHS" \
    --device-type "$DEVICE_TYPE" \
    --gpu-number "$GPU_NUMBER"

echo "Stage 4b: Run Classifier (Image+Heatmaps)"
python3 "$CODE/classify.py" \
    --model-path "$IMAGEHEATMAPS_MODEL_PATH" \
    --data-path "$EXAM_LIST_PATH" \
    --image-path "$CROPPED_IMAGE_PATH" \
    --output-path "$OUT/imageheatmaps_predictions.csv" \
    --exam-id "$ID" \
    --use-heatmaps \
    --heatmaps-path "$HEATMAPS_PATH" \
    --use-augmentation \
    --num-epochs "$NUM_EPOCHS" \
    --device-type "$DEVICE_TYPE" \
    --gpu-number "$GPU_NUMBER"

echo "Sheet"
python3 "$CODE/exam_sheet.py" \
    --data-path "$EXAM_LIST_PATH" \
    --image-path "$CROPPED_IMAGE_PATH" \
    --heatmaps-path "$HEATMAPS_PATH" \
    --predictions "$OUT/image_predictions_by_exam.csv" \
    --predictions "$OUT/imageheatmaps_predictions_by_exam.csv" \
    --exam-id "$ID" \
    --output-path "$OUT/sheet.html"
