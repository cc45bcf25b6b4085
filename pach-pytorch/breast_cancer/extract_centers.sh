#!/bin/bash
# Pipeline extract_centers: /pfs/crop/<exam> -> /pfs/out/<exam>/data.pkl
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
enter crop

python3 "$CODE/extract_centers.py" \
    --cropped-exam-list-path "$PFS/crop/$ID/cropped_images/cropped_exam_list.pkl" \
    --data-prefix "$PFS/crop/$ID/cropped_images" \
    --output-exam-list-path "$PFS/out/$ID/data.pkl" \
    --num-processes "$NUM_PROCESSES"
