#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's time for lesson 21's trainings: the same networks, batch, optimizer, rates and threads.

usage: pytorch_train.py [--model mlp|cnn] [--optimizer sgd|adamw] [--batch 128] [--threads N] [--epochs 10]
                        [--data DIR] [--seed 1] [--device cpu|cuda] [--beside build/lessons]
Prints seconds per epoch and the test accuracy. With --beside the built lessons 21 and 22 (perceptron only) are timed by
the same threads in the same run, before and after, and how many times as fast they are is printed. Exits with 77
(skipped) where PyTorch is not installed.
"""
import argparse
import csv
import gzip
import math
import os
import pathlib
import struct
import subprocess
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    print("skipped: PyTorch is not installed (pip install torch)")
    sys.exit(77)


def read_idx(folder, name):
    """One IDX file as a tensor of bytes, compressed or not."""
    path = pathlib.Path(folder) / name
    packed = path.with_name(name + ".gz")
    data = gzip.open(packed, "rb").read() if packed.exists() else path.read_bytes()
    dimensions = data[3]
    shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
    return torch.frombuffer(bytearray(data[4 + 4 * dimensions :]), dtype=torch.uint8).view(shape)


def network(name):
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
                             nn.Linear(256, 10))
    return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(7 * 7 * 64, 128), nn.ReLU(), nn.Linear(128, 10))


def initialise(net):
    """He initialisation, as Heddle's."""
    for layer in net:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)


def optimizer(name, net, rate, decay):
    """PyTorch's own fused update where it has one for this device: its fastest."""
    make, more = (torch.optim.SGD, {"momentum": 0.9}) if name == "sgd" else (torch.optim.AdamW, {})
    try:
        return make(net.parameters(), lr=rate, weight_decay=decay, fused=True, **more)
    except (RuntimeError, TypeError):
        return make(net.parameters(), lr=rate, weight_decay=decay, **more)


def lesson_epoch(lessons, program, variant, a, per_epoch):
    """Seconds of an epoch by a lesson of Heddle's: its median step, times the steps."""
    command = [pathlib.Path(lessons) / program, "--device", "cpu", "--threads", a.threads, "--size", a.batch,
               "--seed", a.seed, "--data", a.data, "--variant", variant, "--format", "csv"]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True, text=True)
    rows = [row for row in csv.DictReader(done.stdout.splitlines()) if row["threads"] == str(a.threads)]
    if len(rows) != 1 or rows[0]["verified"] != "yes":
        sys.exit(f"{program} --variant {variant} gave no verified row for {a.threads} threads")
    return per_epoch * float(rows[0]["median_s"])


BESIDE = [("lesson-21-train", "openmp"), ("lesson-22-data-parallel", "all-reduce")]


def time_lessons(a, per_epoch, times):
    for program, variant in BESIDE if a.beside else []:
        times.setdefault((program, variant), []).append(lesson_epoch(a.beside, program, variant, a, per_epoch))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=["mlp", "cnn"], default="mlp")
    parser.add_argument("--optimizer", choices=["sgd", "adamw"], default="sgd")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", default=os.environ.get("HEDDLE_DATA", "/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--beside", metavar="DIR", help="folder of the built lessons")
    a = parser.parse_args()
    if a.beside and (a.model != "mlp" or a.device != "cpu"):
        parser.error("--beside compares the perceptron on CPU threads")
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)

    images = read_idx(a.data, "train-images-idx3-ubyte").float().unsqueeze(1)
    labels = read_idx(a.data, "train-labels-idx1-ubyte").long()
    test_images = read_idx(a.data, "t10k-images-idx3-ubyte").float().unsqueeze(1)
    test_labels = read_idx(a.data, "t10k-labels-idx1-ubyte").long()
    mean, deviation = images.mean(), images.std()
    images, test_images = (images - mean) / deviation, (test_images - mean) / deviation
    images, labels = images.to(a.device), labels.to(a.device)

    net = network(a.model).to(a.device)
    initialise(net)
    # The rates and decays of lessons/21-train/model.c.
    if a.optimizer == "sgd":
        step = optimizer("sgd", net, 0.05 if a.model == "mlp" else 0.02, 5e-4)
    else:
        step = optimizer("adamw", net, 1e-3, 0.05)
    per_epoch = len(images) // a.batch
    linear = a.model == "mlp"
    rate = torch.optim.lr_scheduler.LambdaLR(
        step, lambda s: max(0, 1 - s / (a.epochs * per_epoch)) if linear else
        (1 + math.cos(math.pi * s / (a.epochs * per_epoch))) / 2)
    loss_of = nn.CrossEntropyLoss()

    lesson_times = {}
    time_lessons(a, per_epoch, lesson_times)
    seconds = []
    for _ in range(a.epochs):
        order = torch.randperm(len(images), device=a.device)
        start = time.perf_counter()
        for b in range(per_epoch):
            rows = order[b * a.batch : (b + 1) * a.batch]
            step.zero_grad(set_to_none=True)
            loss_of(net(images[rows]), labels[rows]).backward()
            step.step()
            rate.step()
        if a.device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    with torch.no_grad():
        right = (net(test_images.to(a.device)).argmax(1).cpu() == test_labels).float().mean().item()
    time_lessons(a, per_epoch, lesson_times)
    median = sorted(seconds)[len(seconds) // 2]
    print(f"pytorch {torch.__version__} {a.model} {a.optimizer} batch {a.batch} threads {a.threads}: "
          f"{median:.3f} s per epoch (median of {a.epochs}), test accuracy {right:.4f}")
    for (program, variant), times in lesson_times.items():
        print(f"{program} --variant {variant}: {min(times):.3f} and {max(times):.3f} s per epoch before and after, "
              f"{median / max(times):.2f} to {median / min(times):.2f} times as fast")


if __name__ == "__main__":
    main()
