"""LoRA in PyTorch on InternVL3's dimensions with random weights, for comparison with ours on the same card.

python3 gpu_peer.py 8b|2b|tiny T|longest STEPS cuda|cpu CHECKPOINTING(0|1) -> one JSON line: tokens/s and peak memory

bfloat16 weights, float32 adapters of rank 16 on all products of the language model, sdpa attention, AdamW, one picture
of 256 tokens in the sequence. `longest` doubles T, then halves the rest, until memory is out. Without peft, adapters are
written out here.
"""

import json
import sys
import time

import torch
from transformers import InternVLConfig, InternVLForConditionalGeneration

SIZES = {'8b': (3584, 18944, 28, 28, 4, 151674, 1024, 4096, 24, 16), '2b': (1536, 8960, 28, 12, 2, 151674, 1024, 4096, 24, 16),
         'tiny': (64, 96, 2, 4, 2, 1024, 32, 64, 2, 4)}
TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
size, length, steps, device, checkpointing = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5] == '1'
hidden, intermediate, layers, heads, kv, vocabulary, width, feed_forward, depth, tower_heads = SIZES[size]
image_token, pictures = vocabulary - 1, 256
config = InternVLConfig(
    text_config=dict(model_type='qwen2', vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate,
                     num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv,
                     max_position_embeddings=1 << 20, rope_theta=1e6, tie_word_embeddings=False),
    vision_config=dict(hidden_size=width, intermediate_size=feed_forward, num_hidden_layers=depth,
                       num_attention_heads=tower_heads, image_size=[448, 448], patch_size=[14, 14]),
    image_token_id=image_token, tie_word_embeddings=False)
config._attn_implementation = 'sdpa'
torch.manual_seed(0)
torch.set_default_dtype(torch.bfloat16)
with torch.device(device):
    model = InternVLForConditionalGeneration(config)
torch.set_default_dtype(torch.float32)
model.config.use_cache = False
for parameter in model.parameters():
    parameter.requires_grad_(False)


class Adapted(torch.nn.Module):
    def __init__(self, base, rank=16, alpha=32):
        super().__init__()
        self.base, self.scale = base, alpha / rank
        at = dict(device=base.weight.device, dtype=torch.float32)
        self.a = torch.nn.Parameter(torch.randn(rank, base.in_features, **at) / base.in_features**0.5)
        self.b = torch.nn.Parameter(torch.zeros(base.out_features, rank, **at))

    def forward(self, x):
        low = x @ self.a.to(x.dtype).T @ self.b.to(x.dtype).T
        return self.base(x) + self.scale * low


try:
    from peft import LoraConfig, get_peft_model

    scope = r'.*language_model.*\.(' + '|'.join(TARGETS) + ')'
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=scope))
    with_peft = True
except ImportError:
    with_peft = False
    for name, module in list(model.named_modules()):
        if 'language_model' not in name:
            continue
        for target in TARGETS:
            if isinstance(getattr(module, target, None), torch.nn.Linear):
                setattr(module, target, Adapted(getattr(module, target)))
model.train()
if checkpointing:
    base = model.get_base_model() if with_peft else model
    base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})
    base.enable_input_require_grads()
parameters = [p for p in model.parameters() if p.requires_grad]
for parameter in parameters:
    parameter.data = parameter.data.float()
optimizer = torch.optim.AdamW(parameters, lr=1e-5, betas=(0.9, 0.95), weight_decay=0.05)
pixels = torch.zeros(1, 3, 448, 448, device=device, dtype=torch.bfloat16)
cuda = device == 'cuda'


def step(tokens):
    ids = torch.arange(tokens, device=device)[None] * 7919 % (vocabulary - 2)
    ids[0, 8:8 + pictures] = image_token
    labels = ids.clone()
    labels[0, :300] = -100
    start = time.perf_counter()
    with torch.autocast(device, dtype=torch.bfloat16):
        loss = model(input_ids=ids, pixel_values=pixels, labels=labels, use_cache=False).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start, loss.item()


def told(**more):
    memory = torch.cuda.max_memory_allocated() >> 20 if cuda else None
    reserved = torch.cuda.max_memory_reserved() >> 20 if cuda else None
    print(json.dumps({'size': size, 'checkpointing': checkpointing, 'peft': with_peft, 'allocatedMiB': memory,
                      'reservedMiB': reserved, **more}), flush=True)


if length == 'longest':
    good, bad, end = 0, None, time.time() + 240
    tokens = 16384 if cuda else 512
    while time.time() < end and (bad is None or bad - good > good // 8):
        try:
            step(tokens)
            good = tokens
        except torch.OutOfMemoryError:
            bad = tokens
            optimizer.zero_grad()
            torch.cuda.empty_cache()
        if not cuda:
            break
        tokens = 2 * good if bad is None else (good + bad) // 2
    told(fits=good, tooLong=bad)
else:
    taken = [step(int(length)) for _ in range(steps)]
    told(tokens=int(length), loss=taken[-1][1], tokensPerSecond=round(int(length) / min(t for t, _ in taken[1:] or taken)))
