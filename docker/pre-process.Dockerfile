# From the repository's root: docker build -f docker/pre-process.Dockerfile -t pachyderm-workshop/iris-pre-process:1.0.0 .
FROM python:3.11-slim-bookworm

# What seldom changes comes first, so that an edited script rebuilds only the last layer.
RUN useradd --uid 1000 --create-home learner
RUN pip install --no-cache-dir numpy==2.4.6

COPY pach-pytorch/rows.py pach-pytorch/pre_process.py /code/
USER learner
WORKDIR /code
