#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's time for lesson 21's trainings: the same networks, batch, optimizer, rates and threads.

usage: pytorch_train.py [--model mlp|cnn] [--optimizer sgd|adamw] [--batch 128] [--threads N] [--epochs 10]
                        [--data DIR|synthetic] [--seed 1] [--device cpu|cuda] [--precision fp32|bf16|fp16]
                        [--beside build/lessons]
Prints seconds per epoch and the test accuracy. With --beside the built lessons (on the CPU 21 and 22, perceptron only;
on a GPU 21) are timed in the same run, before and after, and how many times as fast they are is printed. On a GPU a
whole step replayed as a CUDA graph stands beside PyTorch's ordinary one, TF32 is off, and lower precision means that of
the operands, as in Heddle. Exits with 77 (skipped) where PyTorch is not installed.
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


def load(folder, part):
    """Images and labels of "train" or "t10k"; synthetic ones have the right shape and nothing to learn."""
    if folder == "synthetic":
        count = 60000 if part == "train" else 10000
        return torch.rand(count, 1, 28, 28) * 255, torch.randint(0, 10, (count,))
    return (read_idx(folder, f"{part}-images-idx3-ubyte").float().unsqueeze(1),
            read_idx(folder, f"{part}-labels-idx1-ubyte").long())


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


def lesson_epoch(program, variant, a, per_epoch):
    """Seconds of an epoch by a lesson of Heddle's: its median step, times the steps."""
    command = [pathlib.Path(a.beside) / program, "--size", a.batch, "--seed", a.seed, "--data", a.data,
               "--variant", variant, "--format", "csv"]
    command += ["--device", "gpu"] if a.device == "cuda" else ["--device", "cpu", "--threads", a.threads]
    command += ["--model", a.model] if program == "lesson-21-train" else []
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True, text=True)
    rows = [row for row in csv.DictReader(done.stdout.splitlines())
            if a.device == "cuda" or row["threads"] == str(a.threads)]
    if len(rows) != 1 or rows[0]["verified"] != "yes":
        sys.exit(f"{program} --variant {variant} gave no verified row")
    return per_epoch * float(rows[0]["median_s"])


def beside(a):
    """The lessons that do the same work."""
    if not a.beside:
        return []
    if a.device == "cpu":
        return [("lesson-21-train", "openmp"), ("lesson-22-data-parallel", "all-reduce")]
    variants = ["gpu-cublas", "gpu-graph"] if a.precision == "fp32" else [f"gpu-{a.precision}"]
    return [("lesson-21-train", ("cnn-" if a.model == "cnn" else "") + v) for v in variants]


def time_lessons(a, per_epoch, times):
    for program, variant in beside(a):
        times.setdefault((program, variant), []).append(lesson_epoch(program, variant, a, per_epoch))


class Training:
    """One step on a batch, in the asked precision."""

    def __init__(self, a, net, step):
        self.a, self.net, self.step = a, net, step
        self.loss_of = nn.CrossEntropyLoss()
        self.dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[a.precision]
        # The gradient is scaled by a constant: with PyTorch's own scaler a step could not be a graph.
        self.scale = 1024.0 if a.precision == "fp16" else 1.0

    def gradient(self, images, labels):
        with torch.autocast(self.a.device, dtype=self.dtype, enabled=self.dtype is not None):
            loss = self.loss_of(self.net(images), labels)
        (loss * self.scale).backward()
        if self.scale != 1.0:
            torch._foreach_div_([p.grad for p in self.net.parameters()], self.scale)

    def __call__(self, images, labels):
        self.step.zero_grad(set_to_none=True)
        self.gradient(images, labels)
        self.step.step()


class GraphedTraining(Training):
    """Forward and backward recorded once and replayed; the update stays outside, for its rate changes."""

    def __init__(self, a, net, step, images, labels):
        super().__init__(a, net, step)
        self.images, self.labels = images.clone(), labels.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # warmed up on a stream of its own, as PyTorch wants it
            for _ in range(3):
                self.step.zero_grad(set_to_none=True)
                self.gradient(self.images, self.labels)
        torch.cuda.current_stream().wait_stream(side)
        self.step.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.gradient(self.images, self.labels)

    def __call__(self, images, labels):
        self.images.copy_(images)
        self.labels.copy_(labels)
        self.graph.replay()  # writes the gradients anew
        self.step.step()


def epoch(a, train, rate, images, labels, per_epoch):
    """Seconds of one epoch."""
    order = torch.randperm(len(images), device=a.device)
    start = time.perf_counter()
    for b in range(per_epoch):
        rows = order[b * a.batch : (b + 1) * a.batch]
        train(images[rows], labels[rows])
        rate.step()
    if a.device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=["mlp", "cnn"], default="mlp")
    parser.add_argument("--optimizer", choices=["sgd", "adamw"], default="sgd")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default="fp32")
    parser.add_argument("--data", default=os.environ.get("HEDDLE_DATA", "/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--beside", metavar="DIR", help="folder of the built lessons")
    a = parser.parse_args()
    if a.device == "cpu" and (a.precision != "fp32" or (a.beside and a.model != "mlp")):
        parser.error("on the CPU fp32 only, and --beside compares the perceptron")
    if a.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU; use --device cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)

    images, labels = load(a.data, "train")
    test_images, test_labels = load(a.data, "t10k")
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
    lesson_times = {}
    time_lessons(a, per_epoch, lesson_times)
    train = Training(a, net, step)
    seconds = {"step by step": [epoch(a, train, rate, images, labels, per_epoch) for _ in range(a.epochs)]}
    with torch.no_grad():
        right = (net(test_images.to(a.device)).argmax(1).cpu() == test_labels).float().mean().item()
    if a.device == "cuda":  # after the accuracy is known: these epochs train on
        train = GraphedTraining(a, net, step, images[: a.batch], labels[: a.batch])
        seconds["graph"] = [epoch(a, train, rate, images, labels, per_epoch) for _ in range(a.epochs)]
    time_lessons(a, per_epoch, lesson_times)
    where = f"threads {a.threads}" if a.device == "cpu" else f"{torch.cuda.get_device_name()} {a.precision}"
    medians = {way: sorted(times)[len(times) // 2] for way, times in seconds.items()}
    for way, median in medians.items():
        print(f"pytorch {torch.__version__} {a.model} {a.optimizer} batch {a.batch} {where}, {way}: "
              f"{median:.3f} s per epoch (median of {a.epochs})")
    print(f"test accuracy {right:.4f}" + (" of images with nothing to learn" if a.data == "synthetic" else ""))
    best = min(medians.values())
    for (program, variant), times in lesson_times.items():
        print(f"{program} --variant {variant}: {min(times):.3f} and {max(times):.3f} s per epoch before and after, "
              f"{best / max(times):.2f} to {best / min(times):.2f} times as fast")


if __name__ == "__main__":
    main()
