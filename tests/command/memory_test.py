#!/usr/bin/env python3
"""clade summary --memory and clade train --memory: the table, the shard that is chosen and kept, and what does not fit.

memory_test.py CLADE
"""
import json
import pathlib
import subprocess
import sys
import tempfile

RECIPE = """
name: small
input: {size: 24, rescale: 1/255}
model:
  - conv2d: {filters: 8, kernel: 3}
  - batchnorm
  - maxpool2d: 2
  - flatten
  - dense: {units: classes, activation: softmax}
train: {loss: sparse_categorical_crossentropy, optimizer: {adam: {lr: 0.001}}, batch: 20, epochs: 2}
"""
PARTS = ["parameters", "gradients", "optimizer", "activations", "workspace", "other"]


def run(*arguments, status=0):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return done


def fails(*arguments, part, status=1):
    text = run(*arguments, status=status).stderr
    assert part in text and text.count("\n") == 1, text


def main(clade):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        recipe, images = folder / "small.yaml", folder / "images"
        recipe.write_text(RECIPE)
        run(clade, "data", "make", images, "--size", "24", "--train", "10", "--validation", "4")

        # the table: the batch and its halves, and the recipe's own shard
        summary = [clade, "summary", recipe, "--memory", "--device", "cpu"]
        told = json.loads(run(*summary, "--classes", "4", "--json").stdout)
        rows = told["shards"]
        assert [r["shard"] for r in rows] == [20, 10, 5, 3, 2, 1] and told["batch"] == 20, told
        assert all(sum(r[p] for p in PARTS) == r["total"] >= r["largest"] > 0 and r["fits"] for r in rows), rows
        assert [r["total"] for r in rows] == sorted((r["total"] for r in rows), reverse=True)
        own = json.loads(run(*summary, "--batch", "8", "--set", "train.shard=3", "--json").stdout)
        assert [r["shard"] for r in own["shards"]] == [8, 4, 3, 2, 1], own
        assert json.loads(run(*summary, "--data", images, "--json").stdout)["shards"] == rows
        table = run(*summary).stdout.splitlines()
        assert "batch 20" in table[0] and "cpu" in table[1], table
        assert [line.split()[0] for line in table[4:]] == ["20", "10", "5", "3", "2", "1"], table

        # the largest that fits, which is that of --shard from then on
        limit = rows[2]["total"]
        train = [clade, "train", recipe, "--data", images, "--device", "cpu"]
        text = run(*train, "--memory", limit, "--out", folder / "chosen").stdout
        assert "in shards of 5\n" in text, text
        run(*train, "--shard", "5", "--out", folder / "given")
        run(*train, "--memory", f"{limit / 1024 ** 2 + 0.01:.2f}MiB", "--pause", "1", "--out", folder / "paused")
        run(clade, "train", "--resume", folder / "paused", "--device", "cpu", "--memory", "1GB")
        for other in ["given", "paused"]:
            for file in ["recipe.yaml", "last.safetensors"]:
                assert (folder / "chosen" / file).read_bytes() == (folder / other / file).read_bytes(), (other, file)
        assert "shard: 5" in (folder / "chosen" / "recipe.yaml").read_text()
        text = run(*train, "--memory", "1GB", "--json", "--out", folder / "whole")
        assert "in shards of 20\n" in text.stderr and all(json.loads(line) for line in text.stdout.splitlines())
        assert "shard" not in (folder / "whole" / "recipe.yaml").read_text()
        run(clade, "evaluate", folder / "chosen", "--device", "cpu")

        # several devices have a shard each, or smaller ones
        both = [clade, "train", recipe, "--data", images, "--device", "cpu,cpu"]
        for size, shard in [("1GB", 10), (limit, 5)]:
            text = run(*both, "--memory", size, "--out", folder / f"both-{shard}").stdout
            assert f"in shards of {shard}\n" in text, text
            assert f"shard: {shard}" in (folder / f"both-{shard}" / "recipe.yaml").read_text()

        # what does not fit, and what is no size; no folder is made
        out = folder / "none"
        fails(*train, "--memory", rows[-1]["total"] - 1, "--out", out, part="no shard needs less than")
        fails(*train, "--memory", limit, "--shard", "6", "--out", out, part="--shard 3 needs")
        before = (folder / "whole" / "recipe.yaml").read_bytes()
        fails(clade, "train", "--resume", folder / "whole", "--epochs", "3", "--device", "cpu", "--memory", limit,
              part="computing 20 images at a time needs")
        assert (folder / "whole" / "recipe.yaml").read_bytes() == before
        huge = ["--batch", "4096", "--set", "model.0.conv2d.filters=60000"]
        fails(*train, *huge, "--out", out, part="it has ")
        for size in ["12Q", "0", "-1M", "1MBs", "1 G"]:
            fails(*train, "--memory", size, "--out", out, part="expected a size, such as 512M or 4G", status=2)
        assert not out.exists()
        fails(clade, "summary", recipe, "--batch", "8", part="--batch requires --memory", status=2)
        fails(clade, "summary", folder / "chosen", "--memory", part="--memory requires a recipe", status=2)

        # a recipe's shard that is larger than the batch is the batch
        fails(*train, "--shard", "64", "--out", out, part="--shard 64 is more than the batch: expected 1 to 20 images")
        assert not out.exists()
        assert "Shards" not in run(*train, "--set", "train.shard=64", "--out", folder / "larger").stdout
        larger, whole = ([line.split(",")[:6] for line in (folder / f / "history.csv").read_text().splitlines()]
                         for f in ["larger", "whole"])
        assert larger == whole and len(larger) == 3, (larger, whole)


if __name__ == "__main__":
    main(sys.argv[1])
