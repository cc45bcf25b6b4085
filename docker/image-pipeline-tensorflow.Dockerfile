# From the repository's root:
#   docker build -f docker/image-pipeline-tensorflow.Dockerfile -t pachyderm-workshop/image-pipeline-tensorflow:1.0.0 .
# TensorFlow has an image of its own: its protobuf cannot live beside python-pachyderm's.
FROM python:3.11-slim-bookworm

# What seldom changes comes first, so that an edited script rebuilds only the last layer.
RUN useradd --uid 1000 --create-home learner
RUN pip install --no-cache-dir numpy==2.4.6 tensorflow-cpu==2.21.0
RUN pip install --no-cache-dir pillow==13.0.0 pyarrow==26.0.1 simplejpeg==1.9.0 turbojpeg==0.0.2

COPY pach-pytorch/image_pipeline /code/
USER learner
WORKDIR /code
