# From the repository's root:
#   docker build -f docker/breast-cancer-gpu.Dockerfile -t pachyderm-workshop/breast-cancer-gpu:1.0.0 .
# The base only tells the container runtime that a GPU is wanted; PyTorch's own wheel brings CUDA's libraries.
FROM nvidia/cuda:12.8.1-base-ubuntu24.04

# What seldom changes comes first, so that an edited script rebuilds only the last layer.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/python \
    && useradd --uid 1001 --create-home learner
ENV PATH=/opt/python/bin:$PATH
RUN pip install --no-cache-dir numpy==2.4.6 torch==2.13.0
RUN pip install --no-cache-dir h5py==3.16.0 pillow==13.0.0 scipy==1.17.1

COPY pach-pytorch/breast_cancer /code/
USER learner
WORKDIR /code
