# From the repository's root:
#   docker build -f docker/image-pipeline.Dockerfile -t pachyderm-workshop/image-pipeline:1.0.0 .
FROM python:3.11-slim-bookworm

# With --build-arg PIP_EXTRA_INDEX_URL=ADDRESS, PyTorch's CPU index (its site names it: Start Locally, pip, CPU), the
# image is a tenth of the size: pip's default is the CUDA build.
ARG PIP_EXTRA_INDEX_URL

# What seldom changes comes first, so that an edited script rebuilds only the last layers.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home learner
RUN pip install --no-cache-dir numpy==2.4.6 torch==2.13.0
RUN pip install --no-cache-dir pillow==13.0.0 pyarrow==26.0.1 simplejpeg==1.9.0 turbojpeg==0.0.2

COPY pach-pytorch/image_pipeline /code/
# The compiled kernels, so that no container compiles them again.
ENV IMAGE_PIPELINE_NATIVE=/opt/image_pipeline
RUN python3 /code/native.py && chmod -R a+rX /opt/image_pipeline
USER learner
WORKDIR /code
