#!/usr/bin/python3
"""One process of PyTorch's DistributedDataParallel with gloo, which times training steps of a net.

torch_ddp.py NET --rank R --ranks N --meet ADDRESS:PORT [--batch N] [--repeat N] [--best]

NET and --best are torch_step.py's, --batch is of all processes together; one thread. Rank 0 prints one line of JSON:
milliseconds, the median of the steps.
"""
import argparse
import json
import statistics

import torch
import torch.distributed
from torch import nn

import torch_step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=torch_step.NETS)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--meet", required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--best", action="store_true")
    args = parser.parse_args()
    args.batch //= args.ranks
    args.device, args.cuda = "cpu", None
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.distributed.init_process_group("gloo", f"tcp://{args.meet}", rank=args.rank, world_size=args.ranks)
    seconds = torch_step.time_training(args.net, args, nn.parallel.DistributedDataParallel)
    if args.rank == 0:
        print(json.dumps({"ms": 1e3 * statistics.median(seconds), "min_ms": 1e3 * min(seconds)}))
    torch.distributed.barrier()


if __name__ == "__main__":
    main()
