"""One LoRA or full training run in PyTorch, for comparison with ours: same checkpoint, same tokens, CPU, fp32.

python3 train_peer.py lora|full FOLDER LENGTH ROWS STEPS -> one JSON line with peak memory and tokens/s
"""

import json
import re
import statistics
import sys
import time

import torch
from transformers import AutoModelForCausalLM

kind, folder = sys.argv[1:3]
length, rows, steps = map(int, sys.argv[3:6])
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
model.config.use_cache = False
model.train()
if kind == 'lora':
    from peft import LoraConfig, get_peft_model

    targets = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type='CAUSAL_LM'))
parameters = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=1e-5, betas=(0.9, 0.95), weight_decay=0.05)
ids = torch.tensor([[(t * 7919) % 151936 for t in range(length)]])
seconds = []
for _ in range(steps):
    start = time.perf_counter()
    for _ in range(rows):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        (loss / rows).backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    seconds.append(time.perf_counter() - start)
status = open('/proc/self/status').read()
peak = int(re.search(r'VmHWM:\s+(\d+)', status)[1]) / 1024**2
print(json.dumps({'case': f'{kind}:peer:{length}', 'loss': loss.item(), 'peakGB': round(peak, 2),
                  'tokensPerSecond': round(rows * length / statistics.median(seconds[1:]), 2), 'stepSeconds': [round(s, 2) for s in seconds]}))
