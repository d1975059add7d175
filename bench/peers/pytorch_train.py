#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's time for lesson 21's trainings: the same networks, batch, optimizer, rates and threads.

usage: pytorch_train.py [--model mlp|cnn] [--optimizer sgd|adamw] [--batch 128] [--threads N] [--epochs 10]
                        [--data DIR] [--seed 1] [--device cpu|cuda]
Prints seconds per epoch and the test accuracy. Exits with 77 (skipped) where PyTorch is not installed.
"""
import argparse
import gzip
import os
import pathlib
import struct
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
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(7 * 7 * 32, 128), nn.ReLU(), nn.Linear(128, 10))


def initialise(net):
    """He initialisation, as Heddle's."""
    for layer in net:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)


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
    a = parser.parse_args()
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
        step = torch.optim.SGD(net.parameters(), lr=0.05 if a.model == "mlp" else 0.02, momentum=0.9,
                               weight_decay=5e-4)
    else:
        step = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    per_epoch = len(images) // a.batch
    rate = torch.optim.lr_scheduler.LambdaLR(step, lambda s: max(0, 1 - s / (a.epochs * per_epoch)))
    loss_of = nn.CrossEntropyLoss()

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
    seconds.sort()
    print(f"pytorch {torch.__version__} {a.model} {a.optimizer} batch {a.batch} threads {a.threads}: "
          f"{seconds[len(seconds) // 2]:.3f} s per epoch (median of {a.epochs}), test accuracy {right:.4f}")


if __name__ == "__main__":
    main()
