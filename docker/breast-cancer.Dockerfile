# From the repository's root:
#   docker build -f docker/breast-cancer.Dockerfile -t pachyderm-workshop/breast-cancer:1.0.0 .
FROM python:3.11-slim-bookworm

# With --build-arg PIP_EXTRA_INDEX_URL=ADDRESS, PyTorch's CPU index (its site names it: Start Locally, pip, CPU), the
# image is a tenth of the size: pip's default is the CUDA build.
ARG PIP_EXTRA_INDEX_URL

# What seldom changes comes first, so that an edited script rebuilds only the last layer.
RUN useradd --uid 1000 --create-home learner
RUN pip install --no-cache-dir numpy==2.4.6 torch==2.13.0
RUN pip install --no-cache-dir h5py==3.16.0 pillow==13.0.0 scipy==1.17.1

COPY pach-pytorch/breast_cancer /code/
USER learner
WORKDIR /code
