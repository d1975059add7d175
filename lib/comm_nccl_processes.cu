// SPDX-License-Identifier: MIT
// NCCL between processes, each with a GPU of its own. The ranks' communicator on the host carries NCCL's id
// to them, and they meet there before each all-reduce: a rank that is missing is an error with its name, not
// a kernel that never ends.
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>

#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/launch.h"

struct hd_nccl {
  hd_comm *host;
  ncclComm_t comm;
};

static int check(hd_comm *c, const char *what, ncclResult_t status) {
  char why[160];
  if (status == ncclSuccess) return 0;
  snprintf(why, sizeof why, "%s: %s", what, ncclGetErrorString(status));
  hd_comm_abort(c, why);
  return -1;
}

hd_nccl *hd_nccl_join(hd_comm *host) {
  const int rank = hd_comm_rank(host), world = hd_comm_world(host);
  ncclUniqueId id = {};
  if (world > hd_device_count()) {
    hd_comm_abort(host, "NCCL wants a GPU for each rank");
    return NULL;
  }
  hd_device_select(rank);
  if (rank == 0 && check(host, "ncclGetUniqueId", ncclGetUniqueId(&id))) return NULL;
  if (hd_broadcast(host, &id, sizeof id / sizeof(int32_t), HD_I32, 0)) return NULL;
  hd_nccl *n = (hd_nccl *)hd_alloc(1, sizeof *n);
  n->host = host;
  n->comm = NULL;
  if (check(host, "ncclCommInitRank", ncclCommInitRank(&n->comm, world, id, rank)) == 0) return n;
  free(n);
  return NULL;
}

int hd_nccl_all_reduce(hd_nccl *n, float *data, size_t count, void *stream) {
  if (hd_barrier(n->host)) return -1;
  return check(n->host, "ncclAllReduce",
               ncclAllReduce(data, data, count, ncclFloat32, ncclSum, n->comm, (cudaStream_t)stream));
}

void hd_nccl_leave(hd_nccl *n) {
  if (!n) return;
  if (hd_comm_failed(n->host))
    ncclCommAbort(n->comm);
  else
    ncclCommDestroy(n->comm);
  free(n);
}
