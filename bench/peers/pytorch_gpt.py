#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's time for GPT-2's training step, lesson 30's part "step": the same network, batch and optimizer.

usage: pytorch_gpt.py [--blocks 12] [--batch 4] [--length 64] [--threads N] [--steps 20] [--device cpu|cuda] [--compile]
                      [--beside build/lessons]
Width 64 and one head per block, vocabulary 50257, logits by the table of symbols, no dropout, AdamW; fp32, TF32 off. Prints
milliseconds per step. With --beside the built lesson is timed in the same run, before and after, and how many times as
fast it is is printed. Exits with 77 (skipped) where PyTorch is not installed.
"""
import argparse
import csv
import os
import pathlib
import subprocess
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    print("skipped: PyTorch is not installed (pip install torch)")
    sys.exit(77)

VOCABULARY = 50257


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner, self.last = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2)
                   for part in self.qkv(self.norm1(x)).split(width, 2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.last(F.gelu(self.inner(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, blocks, length):
        super().__init__()
        width = 64 * blocks
        self.table, self.places = nn.Embedding(VOCABULARY, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, blocks) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        for table in (self.table, self.places):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens):
        x = self.table(tokens) + self.places.weight
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.table.weight)


def lesson_step(a, times):
    """Seconds of the lesson's step, its median, added to times."""
    if not a.beside:
        return
    gpu = a.device == "cuda"
    command = [str(pathlib.Path(a.beside) / "lesson-30-capstone"), "--part", "step", "--size", str(a.blocks), "--format", "csv",
               "--variant", "step/gpu" if gpu else "step/openmp", "--device", "gpu" if gpu else "cpu"]
    command += [] if gpu else ["--threads", str(a.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    rows = [row for row in csv.DictReader(done.stdout.splitlines()) if gpu or row["threads"] == str(a.threads)]
    if len(rows) != 1 or rows[0]["verified"] != "yes" or rows[0]["clock"] == "model":
        sys.exit("lesson 30 gave no verified and measured row")
    times.append(float(rows[0]["median_s"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    parser.add_argument("--beside", metavar="DIR", help="folder of the built lessons")
    a = parser.parse_args()
    if a.beside and (a.batch, a.length) != (4, 64):
        parser.error("--beside: the lesson's step has 4 sequences of 64 symbols")
    if a.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU; use --device cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)

    net = GPT(a.blocks, a.length).to(a.device)
    try:
        step = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    except (RuntimeError, TypeError):
        step = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0.01)
    tokens, targets = torch.randint(0, VOCABULARY, (2, a.batch, a.length), device=a.device)
    run = torch.compile(net) if a.compile else net
    ours, theirs = [], []
    lesson_step(a, ours)
    for i in range(a.steps + 3):  # three to warm up
        if a.device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        step.zero_grad(set_to_none=True)
        loss = F.cross_entropy(run(tokens).view(-1, VOCABULARY), targets.reshape(-1))
        loss.backward()
        step.step()
        if a.device == "cuda":
            torch.cuda.synchronize()
        theirs += [time.perf_counter() - start] if i >= 3 else []
    lesson_step(a, ours)
    median = sorted(theirs)[len(theirs) // 2]
    where = f"threads {a.threads}" if a.device == "cpu" else torch.cuda.get_device_name()
    print(f"pytorch {torch.__version__} GPT of {a.blocks} blocks, {a.batch} × {a.length} symbols, fp32, {where}"
          f"{', compiled' if a.compile else ''}: {1e3 * median:.1f} ms per step (median of {a.steps}), "
          f"{sum(p.numel() for p in net.parameters()) / 1e6:.1f} M parameters, loss {loss.item():.3f}")
    if ours:
        print(f"lesson 30: {1e3 * min(ours):.1f} and {1e3 * max(ours):.1f} ms before and after, "
              f"{median / max(ours):.2f} to {median / min(ours):.2f} times as fast")


if __name__ == "__main__":
    main()
