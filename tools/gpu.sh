# Sourced by the scripts that run lessons under a tool of the CUDA toolkit; $build is the build folder.
fail() {
  echo "heddle: $*" >&2
  exit 1
}
# The toolkit's tools are not always on the path.
for folder in ${CUDA_HOME:+"$CUDA_HOME/bin"} /usr/local/cuda/bin /usr/local/cuda/compute-sanitizer /opt/nvidia/nsight-compute/*/; do
  PATH=$PATH:$folder
done
revision() { sed -n 's/.*"\(.*\)".*/\1/p' "$build/generated/revision.h" 2>/dev/null | grep . || echo unknown; }
# Neither counters nor memory errors depend on what the images show.
export HEDDLE_DATA="${HEDDLE_DATA:-synthetic}"
