#!/usr/bin/env bash
# All that is to be measured on a GPU, in order of worth; each step is by itself and bounded in time, and writes JSON lines.
#
#     npm run build && npm run build:gpu      before, where the sources are; dist/ is all that has to travel with them
#     bash test/bench/gpu.sh [--tiny] [--out DIR] [STEP ...]
#
#   equal    greedy answers and losses on CUDA beside the CPU's, in fp32, fp16, bf16
#   speed    sampling, tokens a second; training the demo's policy; Memcpy nodes and what ran on the CPU
#   full     all weights trained, carried on the device through several steps a run, beside a crossing every step
#   lora     adapters of rank 16 on InternVL3-8B's dimensions at T = 4,096: tokens a second, memory
#   peer     the same in PyTorch with transformers and peft, with and without checkpointed layers
#   longest  the longest sequence that fits, ours (--recompute) and PyTorch's
#
# --tiny tries it all on the CPU with small dimensions. Wants Node, dist/ and node_modules with ONNX Runtime's CUDA
# provider, and for peers a python3 with torch, transformers and (or it makes do) peft. Downloads nothing; 20 GB of disk.
set -uo pipefail
cd "$(dirname "$0")/../.."

tiny= out= steps=()
while (($#)); do
  case $1 in
    --tiny) tiny=1 && shift ;;
    --out) out=$2 && shift 2 ;;
    equal | speed | full | lora | peer | longest) steps+=("$1") && shift ;;
    *) echo "usage: gpu.sh [--tiny] [--out DIR] [equal|speed|full|lora|peer|longest ...]" >&2 && exit 2 ;;
  esac
done
((${#steps[@]})) || steps=(equal speed full lora peer longest)
[[ -n $out ]] || out=$(mktemp -d "${TMPDIR:-/tmp}/sophia-gpu.XXXXXX")
mkdir -p "$out"
scratch=${SOPHIA_GPU_SCRATCH:-$(mktemp -d "${TMPDIR:-/tmp}/sophia-gpu-scratch.XXXXXX")} # large files: $out may be sent back
mkdir -p "$scratch"
device=cuda size=8b small=0.5b length=4096 problems=64 enough=5 halves=(bf16 fp16)
[[ -n $tiny ]] && device=cpu size=tiny small=tiny length=512 problems=4 enough=3 halves=(fp16)
policy=fixtures/policy world=fixtures/world

sophia() { node bin/run.js "$@"; }
bench() { node dist/bench/test/bench/gpu.js "$@"; }
say() { printf '[%4d s] %s\n' "$SECONDS" "$*" >&2; }
# line STEP NAME JSON: a result, on stdout and in results.jsonl
line() { printf '{"step":"%s","name":"%s","result":%s}\n' "$1" "$2" "${3:-null}" | tee -a "$out/results.jsonl"; }
failed() { node -e 'const [step, name, code, file] = process.argv.slice(1); let text = ""; try { text = require("fs").readFileSync(file, "utf8").trim().split("\n").slice(-4).join(" ").slice(-600) } catch {}
  console.log(JSON.stringify({ step, name, failed: Number(code), error: text }))' "$@" | tee -a "$out/results.jsonl"; }
# try STEP NAME SECONDS COMMAND ...: its messages go to a file; says so where it fails
try() {
  local step=$1 name=$2 limit=$3 code=0
  shift 3
  say "$step: $name"
  timeout -k 10 "$limit" "$@" 2>"$out/$name.err" || code=$?
  ((code == 0)) || failed "$step" "$name" "$code" "$out/$name.err"
  return "$code"
}
# Memory of the card while something runs: the most of what nvidia-smi sees four times a second, in MiB.
watch_memory() { : >"$scratch/memory"; command -v nvidia-smi >/dev/null || return 0; nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 250 >"$scratch/memory" 2>/dev/null & watcher=$!; }
peak_memory() { [[ -n ${watcher:-} ]] && kill "$watcher" 2>/dev/null; watcher=; sort -n "$scratch/memory" | tail -1 | grep . || echo null; }
# learn NAME SECONDS LENGTH ARGUMENT ...: training steps on the checkpoint until there are enough, then an interrupt
learn() {
  local name=$1 limit=$2 length=$3 log=$scratch/$1.log code=0
  shift 3
  rm -rf "$scratch/trained-$name" "$scratch/trained-$name.part" "$log"
  node dist/bench/test/bench/gpu.js rows "$scratch/model" "$length" "$scratch/rows.jsonl" >"$scratch/rows.json" || return 1
  watch_memory
  node bin/run.js train "$scratch/rows.jsonl" --model "$scratch/model" -o "$scratch/trained-$name" --device "$device" --lora 16 \
    --batch-size 1 --epochs 1000 --micro-tokens "$length" --max-length 10000000 --save-every 100000 --log "$log" -q "$@" 2>"$out/$name.err" &
  local pid=$! end=$((SECONDS + limit))
  while kill -0 "$pid" 2>/dev/null; do
    if [[ -f $log ]] && (($(wc -l <"$log") >= enough)) || ((SECONDS > end)); then kill -INT "$pid" 2>/dev/null; break; fi
    sleep 0.5
  done
  for _ in $(seq 120); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" || code=$?
  memory=$(peak_memory)
  rm -rf "$scratch/trained-$name" "$scratch/trained-$name.part"
  [[ -f $log ]] && (($(wc -l <"$log") >= 2)) # else $code says how it ended
}
checkpoint() { [[ -d $scratch/model ]] || try setup checkpoint 600 node dist/bench/test/bench/gpu.js checkpoint "$size" "$scratch/model"; }

equal() {
  local greedy=(eval $world/test.parquet --limit $problems --model $policy --temperature 0 --max-tokens 96 --batch-size 32 -q)
  try equal answers-cpu 300 node bin/run.js "${greedy[@]}" --device cpu -o "$out/answers-cpu.jsonl" --summary "$scratch/cpu.json" >/dev/null
  try equal answers-cuda 300 node bin/run.js "${greedy[@]}" --device $device -o "$out/answers-cuda.jsonl" --summary "$scratch/cuda.json" >/dev/null &&
    line equal answers "$(bench texts "$out/answers-cpu.jsonl" "$out/answers-cuda.jsonl")"
  local train=(train $world/general.jsonl --model $policy --max-steps 4 --batch-size 8 --lr 1e-3 --warmup 0 -q)
  for kind in full lora; do
    local more=()
    [[ $kind == lora ]] && more=(--lora 8)
    try equal "loss-$kind-cpu" 300 node bin/run.js "${train[@]}" "${more[@]}" --device cpu --compute fp32 -o "$scratch/$kind-cpu" --log "$out/loss-$kind-cpu.jsonl"
    for compute in fp32 "${halves[@]}"; do
      try equal "loss-$kind-$compute" 300 node bin/run.js "${train[@]}" "${more[@]}" --device $device --compute "$compute" -o "$scratch/$kind-$compute" --log "$out/loss-$kind-$compute.jsonl" &&
        line equal "loss-$kind-$compute" "$(bench losses "$out/loss-$kind-cpu.jsonl" "$out/loss-$kind-$compute.jsonl")"
    done
  done
}

# The words for people on stderr, as one JSON string.
told() { node -e 'console.log(JSON.stringify(require("fs").readFileSync(process.argv[1], "utf8").split("\n").filter(l => /tokens\/s|^profile:|^on the CPU|%/.test(l)).slice(-30)))' "$1"; }
speed() {
  local sample=(eval $world/test.parquet --limit $((problems * 4)) --model $policy --temperature 1 --max-tokens 224 --device $device)
  for batch in 64 256; do
    try speed "sample-$batch" 300 node bin/run.js "${sample[@]}" --batch-size $batch -o "$scratch/s.jsonl" --summary "$scratch/s.json" >/dev/null &&
      line speed "sample-$batch" "$(told "$out/sample-$batch.err")"
  done
  try speed sample-profile 300 node bin/run.js "${sample[@]}" --batch-size 64 --profile -o "$scratch/s.jsonl" --summary "$scratch/s.json" >/dev/null &&
    line speed sample-profile "$(told "$out/sample-profile.err")"
  local train=(train $world/general.jsonl --model $policy --epochs 20 --batch-size 64 --device $device)
  rm -rf "$scratch"/trained-speed*
  try speed train 300 node bin/run.js "${train[@]}" --max-steps 6 -o "$scratch/trained-speed" --log "$out/train-speed.jsonl" -q && line speed train "$(bench speed "$out/train-speed.jsonl")"
  try speed train-profile 300 node bin/run.js "${train[@]}" --max-steps 2 --profile -o "$scratch/trained-speed-profile" --log "$scratch/p.jsonl" &&
    line speed train-profile "$(told "$out/train-profile.err")"
}

# both NAME MODEL ROWS COMPUTE BATCH: 21 steps, in runs of one at first and then of up to ten
both() {
  local name=$1 model=$2 rows=$3 compute=$4 batch=$5
  for carried in 0 1; do
    watch_memory
    try full "full-$name-$carried" 400 node dist/bench/test/bench/gpu.js full $carried "$model" "$rows" "$scratch/full" "$out/full-$name-$carried.jsonl" $device "$compute" 21 "$batch" &&
      line full "$name-carried-$carried" "{\"memoryMiB\":$(peak_memory),\"speed\":$(bench speed "$out/full-$name-$carried.jsonl")}"
    rm -rf "$scratch"/full*
  done
  line full "$name-apart" "$(bench losses "$out/full-$name-0.jsonl" "$out/full-$name-1.jsonl")"
}
full() {
  both policy $policy $world/general.jsonl fp32 16
  try setup small 600 node dist/bench/test/bench/gpu.js checkpoint $small "$scratch/small" &&
    bench rows "$scratch/small" $((length / 2)) "$scratch/small.jsonl" >/dev/null && both small "$scratch/small" "$scratch/small.jsonl" "${halves[0]}" 1
  rm -rf "$scratch/small"
}

lora() {
  checkpoint || return
  for compute in "${halves[@]}"; do
    for recompute in "" --recompute; do
      local name=lora-$compute${recompute#-}
      say "lora: $name"
      if learn "$name" 400 "$length" --compute "$compute" $recompute; then
        line lora "$name" "{\"tokens\":$(cat "$scratch/rows.json"),\"memoryMiB\":$memory,\"speed\":$(bench speed "$scratch/$name.log")}"
        cp "$scratch/$name.log" "$out/$name.jsonl"
      else failed lora "$name" 1 "$out/$name.err"; fi
    done
  done
  try lora forecast 400 node bin/run.js train "$scratch/rows.jsonl" --model "$scratch/model" -o "$scratch/none" --device $device --lora 16 --dry-run \
    --compute "${halves[0]}" --recompute --micro-tokens $length --max-length 10000000 --memory 78 >"$out/forecast.txt" && line lora forecast "$(node -e 'console.log(JSON.stringify(require("fs").readFileSync(process.argv[1], "utf8").split("\n").filter(l => !/layer/.test(l))))' "$out/forecast.txt")"
}

peer() {
  for checkpointing in 0 1; do
    try peer "peer-$checkpointing" 400 python3 test/bench/gpu_peer.py $size $length $enough $device $checkpointing >"$scratch/peer.json" &&
      line peer "checkpointing-$checkpointing" "$(tail -1 "$scratch/peer.json")"
  done
}

longest() {
  checkpoint || return
  local compute=${halves[0]} limit fits good=0 bad=0 at
  limit=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null | head -1) && limit=$((limit / 1024 - 2)) || limit=2
  fits=$(node bin/run.js train "$scratch/rows.jsonl" --model "$scratch/model" -o "$scratch/none" --device $device --lora 16 --dry-run --recompute \
    --compute "$compute" --memory "$limit" -q 2>/dev/null | tail -1 | grep -o '[0-9,]* tokens$' | tr -dc 0-9)
  line longest forecast "{\"gib\":$limit,\"tokens\":${fits:-null}}"
  at=${fits:-16384}
  [[ -n $tiny ]] && at=1024
  local more=$enough end=$((SECONDS + 540))
  enough=2
  while ((SECONDS < end)) && ((bad == 0 || bad - good > good / 8)); do
    say "longest: $at"
    if learn "longest" 300 "$at" --compute "$compute" --recompute; then
      good=$at && line longest "$at" "{\"memoryMiB\":$memory,\"speed\":$(bench speed "$scratch/longest.log")}"
    else bad=$at && failed longest "$at" 1 "$out/longest.err"; fi
    [[ -n $tiny ]] && break
    if ((bad == 0)); then at=$((good * 3 / 2)); elif ((good == 0)); then at=$((bad * 2 / 3)); else at=$(((good + bad) / 2)); fi
  done
  enough=$more
  line longest ours "{\"fits\":$good,\"tooLong\":$bad}"
  try longest peer-longest 300 python3 test/bench/gpu_peer.py $size longest 1 $device 1 >"$scratch/peer.json" && line longest peer "$(tail -1 "$scratch/peer.json")"
}

line setup machine "$(node -e 'const { execSync } = require("child_process"); const run = c => { try { return execSync(c, { stdio: ["ignore", "pipe", "ignore"] }).toString().trim() } catch { return null } }
  console.log(JSON.stringify({ gpu: run("nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader"), node: process.version, cores: require("os").cpus().length, onnxruntime: require("onnxruntime-node/package.json").version, python: run("python3 -c \"import torch, transformers; print(torch.__version__, transformers.__version__)\"") }))')"
for step in "${steps[@]}"; do "$step"; done
[[ -n ${SOPHIA_GPU_SCRATCH:-} ]] || rm -rf "$scratch"
say "results: $out/results.jsonl"
