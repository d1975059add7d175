// SPDX-License-Identifier: MIT
// Attributes of streams. Only priority means something to the model's order of things, and that is set when
// the stream is made: the others are hints, which are kept for those who ask.
#include <string.h>

#include "stream.h"

cudaError_t cudaStreamSetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                   const cudaStreamAttrValue *value) {
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  cudaStreamAttrValue *kept = value ? sim_stream_attribute(stream, attribute) : NULL;
  if (!kept) return sim_error(cudaErrorInvalidValue);
  *kept = *value;
  return cudaSuccess;
}

cudaError_t cudaStreamGetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                   cudaStreamAttrValue *value) {
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (!value) return sim_error(cudaErrorInvalidValue);
  memset(value, 0, sizeof *value);
  if (attribute == cudaStreamAttributePriority) return cudaStreamGetPriority(stream, &value->priority);
  const cudaStreamAttrValue *kept = sim_stream_attribute(stream, attribute);
  if (!kept) return sim_error(cudaErrorInvalidValue);
  *value = *kept;
  return cudaSuccess;
}

cudaError_t cudaStreamCopyAttributes(cudaStream_t to, cudaStream_t from) {
  if (!sim_stream_known(to) || !sim_stream_known(from)) return sim_error(cudaErrorInvalidResourceHandle);
  *sim_stream_attribute(to, cudaStreamAttributeAccessPolicyWindow) =
      *sim_stream_attribute(from, cudaStreamAttributeAccessPolicyWindow);
  *sim_stream_attribute(to, cudaStreamAttributeSynchronizationPolicy) =
      *sim_stream_attribute(from, cudaStreamAttributeSynchronizationPolicy);
  return cudaSuccess;
}

// Managed memory is one for all streams here: nothing moves, but it must be managed memory.
cudaError_t cudaStreamAttachMemAsync(cudaStream_t stream, void *pointer, size_t bytes, unsigned flags) {
  sim_allocation a;
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  const bool one = flags == cudaMemAttachGlobal || flags == cudaMemAttachHost || flags == cudaMemAttachSingle;
  if (!one || !sim_memory_find(pointer, &a) || (a.kind != SIM_MANAGED && a.kind != SIM_SYMBOL))
    return sim_error(cudaErrorInvalidValue);
  return bytes == 0 || (bytes == a.bytes && a.base == (uintptr_t)pointer) ? cudaSuccess
                                                                          : sim_error(cudaErrorInvalidValue);
}
