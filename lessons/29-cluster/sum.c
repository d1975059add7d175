// SPDX-License-Identifier: MIT
#include "sum.h"

#include <heddle/launch.h>

int summer_join(summer *s, enum way way, hd_comm *comm) {
  const int rank = hd_comm_rank(comm), each = ranks_per_node(hd_comm_world(comm));
  *s = (summer){.way = way, .member = {.comm = comm}};
  if (way == BY_GPU_NODES) {  // the ranks of a node, and those with the same place in all nodes
    s->member.node = hd_comm_split(comm, rank / each, rank);
    s->member.across = hd_comm_split(comm, rank % each, rank);
    return s->member.node && s->member.across ? 0 : -1;
  }
#if HD_HAVE_NCCL
  if (way == BY_NCCL_PROCESSES) {
    s->nccl = hd_nccl_join(comm);
    return s->nccl ? 0 : -1;
  }
#endif
  return 0;
}

static bool by_messages(const summer *s) {
  return s->way == BY_GPU_RING || s->way == BY_GPU_NODES;
}

void summer_open(summer *s, hd_ops *ops, size_t count) {
  s->member.ops = ops;
  if (by_messages(s)) s->member.inbox = ops->alloc(ops, count * sizeof(float));
}

void summer_close(summer *s, size_t count) {
  hd_ops *ops = s->member.ops;
  if (s->member.inbox) ops->free(ops, s->member.inbox, count * sizeof(float));
#if HD_HAVE_NCCL
  hd_nccl_leave(s->nccl);
#endif
}

int summer_sum(summer *s, float *x, size_t count) {
  if (s->way == BY_GPU_RING) return all_reduce_ring(&s->member, x, count);
  if (s->way == BY_GPU_NODES) return all_reduce_hierarchical(&s->member, x, count);
#if HD_HAVE_NCCL
  if (s->nccl) return hd_nccl_all_reduce(s->nccl, x, count, s->member.ops->stream);
#endif
  return hd_all_reduce(s->member.comm, x, count, HD_F32, HD_SUM);
}

hd_traffic summer_traffic(const summer *s) {
  hd_traffic sum = hd_comm_traffic(s->member.comm);
  const hd_comm *parts[2] = {s->member.node, s->member.across};
  for (int i = 0; i < 2; i++) {
    const hd_traffic part = parts[i] ? hd_comm_traffic(parts[i]) : (hd_traffic){0, 0};
    sum.messages += part.messages;
    sum.bytes += part.bytes;
  }
  return sum;
}
