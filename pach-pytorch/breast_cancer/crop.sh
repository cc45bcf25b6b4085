#!/bin/bash
# Pipeline crop: /pfs/sample_data/<exam> -> /pfs/out/<exam>/cropped_images
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
enter sample_data

python3 "$CODE/crop.py" \
    --input-data-folder "$PFS/sample_data/$ID" \
    --output-data-folder "$PFS/out/$ID/cropped_images" \
    --exam-list-path "$PFS/sample_data/$ID/gen_exam_list_before_cropping.pkl" \
    --cropped-exam-list-path "$PFS/out/$ID/cropped_images/cropped_exam_list.pkl" \
    --background-threshold "$BACKGROUND_THRESHOLD" \
    --num-processes "$NUM_PROCESSES"
