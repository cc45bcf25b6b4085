# From the repository's root: docker build -f docker/train.Dockerfile -t pachyderm-workshop/iris-train:1.0.0 .
FROM python:3.11-slim-bookworm

# With --build-arg PIP_EXTRA_INDEX_URL=ADDRESS, PyTorch's CPU index (its site names it: Start Locally, pip, CPU), the
# image is a tenth of the size: pip's default is the CUDA build.
ARG PIP_EXTRA_INDEX_URL

# What seldom changes comes first, so that an edited script rebuilds only the last layer;
# the layers above COPY are the same in infer.Dockerfile, and so are stored once.
RUN useradd --uid 1000 --create-home learner
RUN pip install --no-cache-dir numpy==2.4.6 torch==2.13.0

COPY pach-pytorch/rows.py pach-pytorch/model.py pach-pytorch/train.py /code/
USER learner
WORKDIR /code
