// SPDX-License-Identifier: MIT
// Messages between two GPUs: the receiver says where it wants one and from when on; the sender pushes it
// there, on a stream that is for messages only, so that neither side's kernels wait for the link.
#include "comm_cuda.h"

static hd_gpu_letters *letters_with(hd_gpu *g, int peer) {
  hd_gpu_letters *l = &g->mail[peer];
  if (l->open[0]) return l;
  for (int i = 0; i < HD_OPEN_RECEIVES; i++) {
    l->open[i] = hd_gpu_event();
    l->pushed[i] = hd_gpu_event();
  }
  return l;
}

int hd_gpu_send_start(hd_comm *c, hd_call *call, int to) {
  hd_gpu *g = hd_gpu_of(c);
  hd_call theirs;
  if (hd_meet_claim(c, call, to, &theirs)) return -1;
  hd_gpu *peer = hd_gpu_of_peer(c, to);
  hd_gpu_letters *l = letters_with(g, to);
  const size_t bytes = call->count * hd_type_bytes(call->type);
  const uint64_t slot = (call->sequence - 1) % HD_OPEN_RECEIVES;
  hd_gpu_record(g->handoff, g->lanes[HD_LANE_CALLS].stream);
  hd_gpu_await(g->messages, g->handoff);
  hd_gpu_await(g->messages, peer->mail[c->rank].open[slot]);
  hd_gpu_push(g, g->messages, peer, theirs.out, call->in, bytes);
  hd_gpu_record(l->pushed[slot], g->messages);
  l->sent++;
  hd_meet_taken(c, to);
  hd_comm_count(c, 1, bytes);
  return 0;
}

int hd_gpu_send_wait(hd_comm *c, int to) {
  hd_gpu *g = hd_gpu_of(c);
  hd_gpu_letters *l = &g->mail[to];
  if (l->send_waits == l->sent)
    return hd_comm_fail(c, "rank %d: waits for a send to rank %d that it did not start", c->rank, to);
  const uint64_t number = l->send_waits++;
  // An old message's event may be a later one's by now, which comes after it on the same stream.
  hd_gpu_await(g->lanes[HD_LANE_CALLS].stream, l->pushed[number % HD_OPEN_RECEIVES]);
  return hd_comm_failed(c) ? -1 : 0;
}

int hd_gpu_recv_start(hd_comm *c, hd_call *call, int from) {
  hd_gpu *g = hd_gpu_of(c);
  hd_gpu_letters *l = letters_with(g, from);
  hd_gpu_record(l->open[c->posted[from] % HD_OPEN_RECEIVES], g->lanes[HD_LANE_CALLS].stream);
  return hd_meet_post(c, call, from);
}

int hd_gpu_recv_wait(hd_comm *c, int from) {
  const uint64_t message = c->ended[from];
  if (hd_meet_post_end(c, from)) return -1;
  hd_gpu_await(hd_gpu_of(c)->lanes[HD_LANE_CALLS].stream,
               hd_gpu_of_peer(c, from)->mail[c->rank].pushed[message % HD_OPEN_RECEIVES]);
  return 0;
}
