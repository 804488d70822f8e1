# The package with its command line as entry point; results go into /data.
#   docker build -t real2sim .                                   # CPU
#   docker build -t real2sim-gpu --build-arg EXTRAS=gpu,warp .   # NVIDIA: jax brings CUDA, the host its driver
#   docker run --rm -v "$PWD:/data" real2sim train --action pick_up
#   docker run --rm --gpus all -v "$PWD:/data" real2sim-gpu train --action pick_up --physics warp --envs 4096
FROM python:3.11-slim

ARG EXTRAS=view,video
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY real2sim_jax real2sim_jax
RUN pip install --no-cache-dir ".[${EXTRAS}]"

# Compiled programs and model weights outlive a container where /data is a volume.
ENV JAX_COMPILATION_CACHE_DIR=/data/.cache/jax XDG_CACHE_HOME=/data/.cache
WORKDIR /data
ENTRYPOINT ["real2sim"]
CMD ["--help"]
